# SPDX-License-Identifier: Apache-2.0
"""The accelerator in a LiteX SoC: `add_bitloop(soc)` in the SoC's __init__, after its memory (README.md).

Registers are a region "bitloop" of the SoC's bus; the memory that jobs may use is told as a region "bitloop_memory":
both stand in the build's csr.csv, which `--device udp://BOARD?csr=build/.../csr.csv` reads.
"""

import pathlib
import subprocess

from migen import ClockSignal, Instance, ResetSignal, Signal

from litex.gen import LiteXModule
from litex.soc.integration.soc import SoCRegion
from litex.soc.interconnect import axi
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel

ROOT = pathlib.Path(__file__).resolve().parents[3]


def hardware_parameters(configuration="default", **changes):
    """All parameters of a configuration of sim/configurations.json, and the fingerprint that belongs to them."""
    words = [configuration] + [f"{name}={value}" for name, value in changes.items()]
    lines = subprocess.run([str(ROOT / "scripts" / "fingerprint"), "--parameters"] + words,
                           check=True, capture_output=True, text=True).stdout.split()
    values = dict(line.split("=") for line in lines)
    return {name: int(value, 16 if name == "Fingerprint" else 10) for name, value in values.items()}


def add_sources(platform):
    """The accelerator's sources (packages first: the others name them) and its plain-Verilog top."""
    for source in (ROOT / "rtl" / "accelerator.f").read_text().split():
        platform.add_source(str(ROOT / "rtl" / source), language="systemverilog")
    platform.add_source(str(ROOT / "rtl" / "boards" / "axi" / "bitloop_axi_top.v"), language="verilog")


class Bitloop(LiteXModule):
    """`bus`: AXI4-Lite slave, 4 KB of registers. `dma`: AXI4 master, 64 bits. With `with_irq` an event per job."""

    def __init__(self, platform, parameters, with_irq=False):
        self.bus = bus = axi.AXILiteInterface(data_width=32, address_width=32)
        self.dma = dma = axi.AXIInterface(data_width=64, address_width=32, id_width=1)
        irq = Signal()
        if with_irq:
            self.ev = EventManager()
            self.ev.done = EventSourceLevel(description="A job has ended (until IRQ_STATUS is cleared).")
            self.ev.finalize()
            self.comb += self.ev.done.trigger.eq(irq)

        self.specials += Instance("bitloop_axi_top",
            **{f"p_{name}": value for name, value in parameters.items()},
            i_aclk=ClockSignal("sys"),
            i_aresetn=~ResetSignal("sys"),
            o_irq=irq,

            i_s_axi_awaddr=bus.aw.addr[:12],
            i_s_axi_awprot=0,
            i_s_axi_awvalid=bus.aw.valid,
            o_s_axi_awready=bus.aw.ready,
            i_s_axi_wdata=bus.w.data,
            i_s_axi_wstrb=bus.w.strb,
            i_s_axi_wvalid=bus.w.valid,
            o_s_axi_wready=bus.w.ready,
            o_s_axi_bresp=bus.b.resp,
            o_s_axi_bvalid=bus.b.valid,
            i_s_axi_bready=bus.b.ready,
            i_s_axi_araddr=bus.ar.addr[:12],
            i_s_axi_arprot=0,
            i_s_axi_arvalid=bus.ar.valid,
            o_s_axi_arready=bus.ar.ready,
            o_s_axi_rdata=bus.r.data,
            o_s_axi_rresp=bus.r.resp,
            o_s_axi_rvalid=bus.r.valid,
            i_s_axi_rready=bus.r.ready,

            o_m_axi_awid=dma.aw.id,
            o_m_axi_awaddr=dma.aw.addr,
            o_m_axi_awlen=dma.aw.len,
            o_m_axi_awsize=dma.aw.size,
            o_m_axi_awburst=dma.aw.burst,
            o_m_axi_awlock=dma.aw.lock,
            o_m_axi_awcache=dma.aw.cache,
            o_m_axi_awprot=dma.aw.prot,
            o_m_axi_awqos=dma.aw.qos,
            o_m_axi_awvalid=dma.aw.valid,
            i_m_axi_awready=dma.aw.ready,
            o_m_axi_wdata=dma.w.data,
            o_m_axi_wstrb=dma.w.strb,
            o_m_axi_wlast=dma.w.last,
            o_m_axi_wvalid=dma.w.valid,
            i_m_axi_wready=dma.w.ready,
            i_m_axi_bid=dma.b.id,
            i_m_axi_bresp=dma.b.resp,
            i_m_axi_bvalid=dma.b.valid,
            o_m_axi_bready=dma.b.ready,
            o_m_axi_arid=dma.ar.id,
            o_m_axi_araddr=dma.ar.addr,
            o_m_axi_arlen=dma.ar.len,
            o_m_axi_arsize=dma.ar.size,
            o_m_axi_arburst=dma.ar.burst,
            o_m_axi_arlock=dma.ar.lock,
            o_m_axi_arcache=dma.ar.cache,
            o_m_axi_arprot=dma.ar.prot,
            o_m_axi_arqos=dma.ar.qos,
            o_m_axi_arvalid=dma.ar.valid,
            i_m_axi_arready=dma.ar.ready,
            i_m_axi_rid=dma.r.id,
            i_m_axi_rdata=dma.r.data,
            i_m_axi_rresp=dma.r.resp,
            i_m_axi_rlast=dma.r.last,
            i_m_axi_rvalid=dma.r.valid,
            o_m_axi_rready=dma.r.ready,
        )
        add_sources(platform)


def add_bitloop(soc, configuration="default", origin=0x9000_0000, memory=None, name="bitloop", **changes):
    """Adds the accelerator, its registers at `origin` (uncached), as a master of the SoC's memory.

    `memory`: SoCRegion that jobs may use; without it all of main_ram, which is right where no processor uses it.
    `changes`: parameters that differ from `configuration`, such as P=4.
    """
    core = Bitloop(soc.platform, hardware_parameters(configuration, **changes), with_irq=soc.irq.enabled)
    soc.add_module(name=name, module=core)
    soc.bus.add_slave(name, core.bus, region=SoCRegion(origin=origin, size=0x1000, cached=False))
    # Where a processor has caches, its DMA bus keeps them right.
    getattr(soc, "dma_bus", soc.bus).add_master(name=name, master=core.dma)
    if soc.irq.enabled:
        soc.irq.add(name, use_loc_if_exists=True)
    if memory is None:
        ram = soc.bus.regions["main_ram"]
        memory = SoCRegion(origin=ram.origin, size=ram.size, linker=True)
    soc.bus.add_region(f"{name}_memory", memory)
    return core
