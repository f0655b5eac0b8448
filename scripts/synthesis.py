"""What the accelerator takes in an FPGA, by Yosys: area and logic depth of each block, of any configurations.

Area: synth_xilinx -family xc7, of all configurations side by side in one run, so that what they have in common is
synthesized once. Modules are not flattened, so that every module has a line of its own, without its submodules and for
all its instances. Yosys counts more LUTs than Vivado: the numbers are for comparing with each other.
Depth: levels of logic of the deepest path that ends in each block, over all modules (logic_depth.py).

  scripts/synthesis.py P=4 F=8 ...  prints one configuration's blocks as JSON; what is not named is as in `default`
"""

import argparse
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NoReturn

from logic_depth import base_name, measure_depth

ROOT = pathlib.Path(__file__).resolve().parent.parent
AREA = ("lut", "ff", "dsp", "bram")  # bram: block RAMs of 36 kbit

# LUTs that a memory or shift register of LUTs takes.
LUT_RAM = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32X1S": 1, "RAM64X1S": 1,
           "SRL16E": 1, "SRLC32E": 1}
# Cells that cost none of what is counted.
FREE = {"CARRY4", "MUXF7", "MUXF8", "INV", "BUFG", "GND", "VCC", "$scopeinfo"}


def fail(message: str) -> NoReturn:
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: error: {message}")


def yosys(script: str, work: pathlib.Path) -> None:
    """In the folder of the sources: their paths would become names, and names decide ties in ABC."""
    if shutil.which("yosys") is None:
        fail("yosys is not installed: scripts/setup test installs what the tests need")
    result = subprocess.run(["yosys", "-q", "-p", script], capture_output=True, text=True, cwd=work)
    if result.returncode != 0:
        fail(f"yosys failed\n{result.stdout}{result.stderr}")


def files(rtl: pathlib.Path) -> list:
    return [rtl / line for line in (rtl / "accelerator.f").read_text().split()]


def copied(rtl: pathlib.Path, work: pathlib.Path) -> None:
    for source in files(rtl):
        shutil.copy(source, work)


def rtl_hash(rtl: pathlib.Path) -> str:
    """Of all sources that are built, as sim::synthesized_sources() (sim/sim_device.h)."""
    lines = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n"
             for file in sorted(files(rtl), key=lambda f: f.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sources(rtl: pathlib.Path) -> str:
    return " ".join(file.name for file in sorted(files(rtl), key=lambda f: (not f.stem.endswith("_pkg"), f.name)))


def values(parameters: dict) -> str:
    return ", ".join(f".{key}({value})" for key, value in parameters.items())


def parse_stat(text: str) -> dict:
    """Cells by kind, of each module."""
    modules: dict = {}
    cells: dict = {}
    for line in text.splitlines():
        if header := re.fullmatch(r"=== (.*) ===", line):
            if header[1] == "design hierarchy":
                break
            cells = modules.setdefault(header[1], {})
        elif count := re.fullmatch(r" +(\S+) +(\d+)", line):
            cells[count[1]] = int(count[2])
    return modules


def area_of(cells: dict, modules: dict, module: str) -> dict:
    area = {"lut": 0, "ff": 0, "dsp": 0, "bram": 0.0, "lutram": 0}
    for kind, count in cells.items():
        if kind in modules or kind in FREE:
            continue
        if re.fullmatch(r"LUT\d", kind):
            area["lut"] += count
        elif kind in LUT_RAM:
            area["lut"] += LUT_RAM[kind] * count
            area["lutram"] += LUT_RAM[kind] * count
        elif re.fullmatch(r"FD[RSCP]E(_1)?", kind):
            area["ff"] += count
        elif kind == "DSP48E1":
            area["dsp"] += count
        elif kind in ("RAMB36E1", "RAMB18E1"):
            area["bram"] += count * (1 if kind == "RAMB36E1" else 0.5)
        else:
            fail(f"{module} has cells '{kind}', which nobody counts: name them in scripts/synthesis.py")
    return area


def synthesized(rtl: pathlib.Path, work: pathlib.Path, instances: list) -> tuple:
    """Side by side: cells by kind of each module, the netlist, and of each instance which module it is of."""
    (work / "configurations.sv").write_text("\n".join(["module configurations;", *instances, "endmodule", ""]))
    yosys(f"""
        read_verilog -sv {sources(rtl)} configurations.sv
        hierarchy -check -top configurations
        synth_xilinx -family xc7 -top configurations -noiopad -noclkbuf
        tee -q -o stat stat
        write_json net.json""", work)
    netlist = json.loads((work / "net.json").read_text())["modules"]
    tops = {name: cell["type"] for name, cell in netlist["configurations"]["cells"].items()}
    return parse_stat((work / "stat").read_text()), netlist, tops


def measure_area(modules: dict, top: str) -> dict:
    """Area of each module below `top`, all its instances together, and how many these are."""
    blocks: dict = {}

    def walk(module: str, instances: int) -> None:
        block = blocks.setdefault(base_name(module), {"instances": 0})
        block["instances"] += instances
        for key, value in area_of(modules[module], modules, module).items():
            block[key] = block.get(key, 0) + instances * value
        for kind, count in modules[module].items():
            if kind in modules:
                walk(kind, instances * count)

    walk(top, 1)
    return dict(sorted(blocks.items()))


def totals(blocks: dict) -> dict:
    return {key: sum(block[key] for block in blocks.values()) for key in ("lut", "ff", "dsp", "bram", "lutram")}


def measure(rtl: pathlib.Path, configurations: dict) -> dict:
    """Of each configuration (a name and its parameters) the area of its blocks and their depths."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        copied(rtl, work)
        modules, netlist, tops = synthesized(rtl, work, [
            f"(* keep *) accelerator #({values(parameters)}) \\{name} ();" for name, parameters in configurations.items()])
    return {name: (measure_area(modules, top), measure_depth(netlist, top)) for name, top in tops.items()}


def measure_modules(rtl: pathlib.Path, module: str, parameters: list) -> list:
    """The area of a module by itself, without those below it, with each of these parameters."""
    instances = [f"(* keep *) {module} #({values(each)}) \\{number} ();" for number, each in enumerate(parameters)]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        copied(rtl, work)
        modules, _, tops = synthesized(rtl, work, instances)
    return [{"parameters": each, **area_of(modules[tops[str(number)]], modules, module)}
            for number, each in enumerate(parameters)]


def merged(blocks: dict, depths: dict) -> dict:
    """One entry per block; blocks in which no path ends have no levels."""
    return {name: {"instances": block["instances"], **{key: block[key] for key in AREA},
                   "levels": depths.get(name, {"levels": 0})["levels"]} for name, block in blocks.items()}


def parameters_of(changes: dict) -> dict:
    """All parameters of `default`, with changes."""
    default = json.loads((ROOT / "sim/configurations.json").read_text())["default"]["parameters"]
    for name in changes.keys() - default.keys():
        fail(f"the hardware has no parameter {name}: name some of {', '.join(default)}")
    return {**default, **changes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("changes", nargs="*", metavar="NAME=VALUE")
    parser.add_argument("--rtl", type=pathlib.Path, default=ROOT / "rtl", metavar="FOLDER")
    arguments = parser.parse_args()
    changes = dict(change.split("=", 1) for change in arguments.changes)
    measured = measure(arguments.rtl, {"measured": parameters_of({name: int(value) for name, value in changes.items()})})
    print(json.dumps(merged(*measured["measured"])))


if __name__ == "__main__":
    main()
