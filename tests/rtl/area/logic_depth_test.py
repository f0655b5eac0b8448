#!/usr/bin/env python3
"""scripts/logic_depth.py on netlists whose depth is known by counting."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))
import logic_depth


class Netlist:
    """A module as Yosys writes it. Bits are numbers, constants strings."""

    def __init__(self, ports=()):
        self.module = {"ports": {name: {"direction": direction, "bits": bits} for name, direction, bits in ports},
                       "cells": {}, "attributes": {}}

    def cell(self, kind, inputs, outputs):
        cells = self.module["cells"]
        cells[f"c{len(cells)}"] = {
            "type": kind, "port_directions": {**{name: "input" for name in inputs}, **{name: "output" for name in outputs}},
            "connections": {name: bits if isinstance(bits, list) else [bits] for name, bits in {**inputs, **outputs}.items()}}
        return self

    def flop(self, data, out):
        return self.cell("FDRE", {"C": "0", "CE": "1", "R": "0", "D": data}, {"Q": out})

    def lut(self, inputs, out):
        return self.cell(f"LUT{len(inputs)}", {f"I{i}": bit for i, bit in enumerate(inputs)}, {"O": out})

    def chain(self, propagate, carries, outs):
        """CARRY4s behind each other; `propagate` goes into the first one's S."""
        carry = "0"
        for i, (co, out) in enumerate(zip(carries, outs)):
            self.cell("CARRY4", {"CI": carry, "CYINIT": "0", "DI": ["0"] * 4, "S": [propagate if i == 0 else "0"] * 4},
                      {"CO": [1000 + 10 * i, 1001 + 10 * i, 1002 + 10 * i, co], "O": [out, 1003 + 10 * i,
                                                                                          1004 + 10 * i, 1005 + 10 * i]})
            carry = co
        return self


def levels(modules, block="top"):
    return logic_depth.measure_depth(modules, "top")[block]["levels"]


class LogicDepth(unittest.TestCase):
    def test_each_lut_is_a_level_and_the_longer_way_counts(self):
        top = Netlist().flop(9, 1).lut([1], 2).lut([2, 1], 3).flop(3, 9)
        self.assertEqual(levels({"top": top.module}), 2)

    def test_a_carry_chain_is_one_level_and_one_more_per_eight_carry4(self):
        for count, expected in ((1, 2), (7, 2), (8, 3), (15, 3), (16, 4)):
            carries, outs = list(range(100, 100 + count)), list(range(200, 200 + count))
            top = Netlist().flop(9, 1).lut([1], 2).chain(2, carries, outs).flop(outs[-1], 9)
            self.assertEqual(levels({"top": top.module}), expected, count)

    def test_wide_multiplexers_belong_to_their_luts(self):
        top = Netlist().flop(9, 1).lut([1], 2).cell("MUXF7", {"I0": 2, "I1": 2, "S": 1}, {"O": 3}).flop(3, 9)
        self.assertEqual(levels({"top": top.module}), 1)

    def test_block_rams_and_dsps_end_a_path_and_a_lut_ram_is_read_through(self):
        top = Netlist().flop(9, 1).lut([1], 2).cell("DSP48E1", {"A": 2}, {"P": 3}).lut([3], 4).flop(4, 9)
        self.assertEqual(levels({"top": top.module}), 1)
        top = Netlist().flop(9, 1).lut([1], 2).cell("RAM32M", {"ADDRA": 2, "DIA": "0", "WCLK": "0"}, {"DOA": 3})
        self.assertEqual(levels({"top": top.lut([3], 4).flop(4, 9).module}), 3)

    def test_enables_end_a_path_and_clocks_do_not(self):
        top = Netlist().flop(9, 1).lut([1], 2).lut([2], 3)
        top.cell("FDRE", {"C": 2, "CE": 3, "R": "0", "D": 1}, {"Q": 9})
        self.assertEqual(levels({"top": top.module}), 2)

    def test_paths_run_through_modules_and_count_where_they_end(self):
        inner = Netlist([("a", "input", [2]), ("y", "output", [3]), ("same", "output", [2])]).lut([2], 4).lut([4], 3)
        top = Netlist().flop(9, 1).lut([1], 2).cell("inner", {"a": [2]}, {"y": [3], "same": [5]}).lut([3, 5], 4).flop(4, 9)
        found = logic_depth.measure_depth({"top": top.module, "inner": inner.module}, "top")
        self.assertEqual(found["top"]["levels"], 4)
        self.assertEqual(found["top"]["through"], ["top:FDRE", "top:LUT1", "inner:LUT1", "inner:LUT1", "top:LUT2"])
        self.assertNotIn("inner", found)

    def test_a_loop_is_told(self):
        with self.assertRaisesRegex(RuntimeError, "loops"):
            levels({"top": Netlist().lut([3], 2).lut([2], 3).flop(3, 9).module})


if __name__ == "__main__":
    unittest.main()
