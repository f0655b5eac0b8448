#!/usr/bin/env python3
"""The RTL elaborates at every limit of its parameters and at none beyond, in Verilator, Icarus and Yosys: the limits of
sim/hardware_text.h, by which hardware is refused before it is built (tests/sim/on_demand_test.cpp), and boards
(scripts/fingerprint)."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def load_script(name):
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


sys.dont_write_bytecode = True
FINGERPRINT = load_script("fingerprint")
SOURCES = [str(source) for source in FINGERPRINT.sources()]
TOP = str(ROOT / "rtl" / "accelerator.sv")


def verilator(parameters):
    return ["verilator", "--lint-only", "-Wno-lint", "-Wno-style", "--top-module", "accelerator",
            *(f"-G{name}={value}" for name, value in parameters.items()), *SOURCES]


def icarus(parameters):
    return ["iverilog", "-g2012", "-t", "null", "-s", "accelerator",
            *(f"-Paccelerator.{name}={value}" for name, value in parameters.items()), *SOURCES]


def yosys(parameters):
    """Of the other modules their ports."""
    others = " ".join(source for source in SOURCES if source != TOP)
    settings = "".join(f" -set {name} {value}" for name, value in parameters.items())
    return ["yosys", "-q", "-p", f"read_verilog -sv -lib {others}; read_verilog -sv {TOP}; chparam{settings} accelerator; "
                                 "hierarchy -check -top accelerator"]


def elaborated(tool, parameters):
    """Whether it is, and what the tool says."""
    result = subprocess.run(tool(parameters), capture_output=True, text=True)
    return result.returncode == 0, result.stdout + result.stderr


def board_is_refused(name, value):
    try:
        FINGERPRINT.require_legal(name, value)
    except SystemExit:
        return True
    return False


def main():
    limits = FINGERPRINT.limits()
    smallest = {name: low for name, (low, _) in limits.items()}
    largest = {name: high for name, (_, high) in limits.items()}
    failures = []

    def expect(holds, what, said=""):
        if not holds:
            failures.append(what)
            print(f"parameters_test: {what}\n{said}")

    for tool in (verilator, icarus, yosys):
        # the two that make an array, one at a time: a large one takes a minute
        for parameters in (smallest, largest | {"F": smallest["F"]}, smallest | {"F": largest["F"]}):
            whole, said = elaborated(tool, parameters)
            expect(whole, f"{tool.__name__} refuses {parameters}", said)
        for name, (low, high) in limits.items():
            for value in (low + 1,) if tool is yosys else (low // 2, low + 1, 2 * high):  # it takes a second
                whole, said = elaborated(tool, smallest | {name: value})
                # Verilator 5.006 ends with an internal error where a width is 0, before it misses a module.
                named = f"{name}_must_be_" in said or (value == 1 and "Internal Error" in said)
                expect(not whole and named, f"{tool.__name__} does not refuse {name}={value} by name", said)
    for name, (low, high) in limits.items():
        expect(not board_is_refused(name, low) and not board_is_refused(name, high), f"fingerprint refuses a limit of {name}")
        for value in (low // 2, low + 1, 2 * high):
            expect(board_is_refused(name, value), f"fingerprint accepts {name}={value}")
    print(f"parameters_test: {len(limits)} parameters, {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
