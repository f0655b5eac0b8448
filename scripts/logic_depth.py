"""Levels of logic between registers, of a netlist that Yosys' synth_xilinx wrote (write_json, modules kept).

A level is one LUT, or a read of a LUT RAM. A carry chain is one, and one more per 8 CARRY4 that the path runs through.
MUXF7 and MUXF8 are part of their LUTs. A path starts at a flip-flop, a shift register, a block RAM, a DSP or an input of
the top module, and ends at any of those (data, enable or reset) or at an output. It counts for the block in which it
ends. The same measure for every block, so that the deepest is known before anything is placed; it says nothing of wires.
"""

import collections
import re

REGISTERS = re.compile(r"FD[RSCP]E(_1)?|SRL16E|SRLC32E|DSP48E1|RAMB(18|36)E1")
LUT_RAM = re.compile(r"RAM\d+(M|X1[SD])")
READ_ADDRESS = {"RAM32M": "ADDR[ABCD]", "RAM64M": "ADDR[ABCD]", "RAM32X1D": "(DPRA|A)\\d", "RAM64X1D": "(DPRA|A)\\d",
                "RAM128X1D": "(DPRA|A)", "RAM32X1S": "A\\d", "RAM64X1S": "A\\d"}
EIGHTH = 8  # arrival times are kept in eighths of a level: what one CARRY4 of a chain adds


class Net:
    """Which cell drives a bit; bits of a module's ports are those of its instance's connections."""

    def __init__(self) -> None:
        self.parent: list = []

    def new(self) -> int:
        self.parent.append(len(self.parent))
        return len(self.parent) - 1

    def find(self, bit: int) -> int:
        while self.parent[bit] != bit:
            self.parent[bit] = self.parent[self.parent[bit]]
            bit = self.parent[bit]
        return bit

    def join(self, one: int, other: int) -> None:
        self.parent[self.find(one)] = self.find(other)


Cell = collections.namedtuple("Cell", "block path kind inputs outputs")  # ports: name to list of bits, None a constant


def base_name(module: str) -> str:
    """`$paramod$0123\\fifo` and `$paramod\\fifo\\Depth=...` are fifos."""
    return module.split("\\")[1] if "\\" in module else module


def flattened(modules: dict, top: str):
    """All primitive cells below `top`, the nets between them, and the bits of top's outputs."""
    net, cells = Net(), []

    def place(name: str, path: str, ports: dict) -> None:
        module, bits = modules[name], {}

        def resolve(bit):
            if isinstance(bit, str):
                return None
            if bit not in bits:
                bits[bit] = net.new()
            return bits[bit]

        for port, entry in module["ports"].items():
            for inner, outer in zip(map(resolve, entry["bits"]), ports.get(port, [])):
                if inner is not None and outer is not None:
                    net.join(inner, outer)
        for cell, entry in module["cells"].items():
            connections = {port: [resolve(bit) for bit in found] for port, found in entry["connections"].items()}
            if entry["type"] in modules and "blackbox" not in modules[entry["type"]]["attributes"]:
                place(entry["type"], f"{path}.{cell}", connections)
                continue
            directions = entry["port_directions"]
            cells.append(Cell(base_name(name), f"{path}.{cell}", entry["type"],
                              {port: found for port, found in connections.items() if directions[port] == "input"},
                              {port: found for port, found in connections.items() if directions[port] == "output"}))

    ports = {port: [net.new() for _ in entry["bits"]] for port, entry in modules[top]["ports"].items()}
    place(top, base_name(top), ports)
    outputs = {port: ports[port] for port, entry in modules[top]["ports"].items() if entry["direction"] == "output"}
    return net, cells, outputs


def passes(kind: str, port: str) -> bool:
    """A change at this input reaches the outputs within the cycle."""
    if REGISTERS.fullmatch(kind):
        return False
    return not LUT_RAM.fullmatch(kind) or re.fullmatch(READ_ADDRESS[kind], port) is not None


def measure_depth(modules: dict, top: str) -> dict:
    """For each block, the deepest path that ends in it: {"levels": n, "from": cell, "to": cell, "through": blocks}."""
    net, cells, top_outputs = flattened(modules, top)
    readers = collections.defaultdict(list)  # of a bit: cells that it passes through, and their ports
    waiting = []                             # of a cell: bits that are not known yet
    driver: dict = {}
    for index, cell in enumerate(cells):
        for found in cell.outputs.values():
            driver.update({net.find(bit): index for bit in found if bit is not None})
    for index, cell in enumerate(cells):
        count = 0
        for port, found in cell.inputs.items():
            for bit in found:
                if bit is not None and net.find(bit) in driver and passes(cell.kind, port):
                    readers[net.find(bit)].append((index, port))
                    count += 1
        waiting.append(count)

    arrival: dict = collections.defaultdict(int)  # of a bit, in eighths of a level
    late: list = [(0, None)] * len(cells)         # of a cell: its latest input, in eighths of its output
    ready = [index for index, count in enumerate(waiting) if count == 0]
    before: dict = {}                             # of a bit: the bit before it on its deepest path
    done = 0
    while ready:
        index = ready.pop()
        cell = cells[index]
        done += 1
        for port, found in cell.outputs.items():
            for bit in filter(lambda bit: bit is not None, found):
                time, source = late[index]
                root = net.find(bit)
                arrival[root], before[root] = time, source
                for reader, reader_port in readers[root]:
                    late[reader] = max(late[reader], (after(cell, port, cells[reader].kind, reader_port, time), root),
                                       key=lambda entry: entry[0])
                    waiting[reader] -= 1
                    if waiting[reader] == 0:
                        ready.append(reader)
    if done != len(cells):
        stuck = [cells[index].path for index, count in enumerate(waiting) if count > 0]
        raise RuntimeError(f"{len(stuck)} cells stand in combinational loops, as {stuck[0]}")

    deepest: dict = {}

    def end(block: str, name: str, bit) -> None:
        if bit is None:
            return
        root = net.find(bit)
        levels = arrival[root] // EIGHTH
        if levels > deepest.get(block, {"levels": -1})["levels"]:
            deepest[block] = {"levels": levels, "to": name, "bit": root}

    for cell in cells:
        for port, found in cell.inputs.items():
            if not passes(cell.kind, port) and port not in ("C", "CLK", "CLKARDCLK", "CLKBWRCLK", "WCLK"):
                for bit in found:
                    end(cell.block, f"{cell.path}.{port}", bit)
    for port, found in top_outputs.items():
        for bit in found:
            end(base_name(top), port, bit)
    for entry in deepest.values():
        steps, bit = [], entry.pop("bit")
        while bit is not None and bit in driver:
            steps.append(cells[driver[bit]])
            bit = before.get(bit)
        entry["from"] = steps[-1].path if steps else "an input"
        entry["through"] = [f"{step.block}:{step.kind}" for step in reversed(steps)]
    return dict(sorted(deepest.items()))


def after(cell: Cell, port: str, kind: str, reader_port: str, time: int) -> int:
    """Arrival behind a cell of this kind, of what arrives at one of its ports at `time`."""
    if kind == "CARRY4":
        if cell.kind == "CARRY4" and port == "CO" and reader_port in ("CI", "CYINIT"):
            return time + 1
        return (time // EIGHTH + 1) * EIGHTH + 1
    whole = time // EIGHTH * EIGHTH
    return whole if kind in ("MUXF7", "MUXF8", "INV", "BUFG") else whole + EIGHTH
