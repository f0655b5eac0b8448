// Runs a sample job on the Verilated accelerator and writes its pins, a line of hexadecimal digits per cycle,
// for tests/rtl/replay/replay_bench.sv.
//   replay_recorder FILE SEED STALLS_PERCENT
// Built by scripts/coverage, it also writes FILE.coverage.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "Vreplayed.h"
#include "tests/rtl/sample_jobs.h"
#if VM_COVERAGE
#include <verilated_cov.h>
#endif

namespace bitloop::rtl_test {
namespace {

std::FILE* trace = nullptr;  // of the one model that there is

/// Writes what its pins are at each rising edge: first what is driven, then what it drives.
class Recorded : public Vreplayed {
 public:
  void eval() {
    if (clk_i && !clock_) write();
    clock_ = clk_i;
    Vreplayed::eval();
  }

 private:
  void write() const {
    std::fprintf(trace, "%x", rst_ni);
    std::fprintf(trace, "%x%03x%x%08x%x%x%x%03x%x", s_axil_awvalid_i, s_axil_awaddr_i, s_axil_wvalid_i,
                 s_axil_wdata_i, s_axil_wstrb_i, s_axil_bready_i, s_axil_arvalid_i, s_axil_araddr_i,
                 s_axil_rready_i);
    std::fprintf(trace, "%x%x%016llx%x%x%x%x%x%x", m_axi_arready_i, m_axi_rvalid_i,
                 static_cast<unsigned long long>(m_axi_rdata_i), m_axi_rresp_i, m_axi_rlast_i,
                 m_axi_awready_i, m_axi_wready_i, m_axi_bvalid_i, m_axi_bresp_i);
    std::fprintf(trace, "%x%x%x%x%x%x%08x%x", s_axil_awready_o, s_axil_wready_o, s_axil_bvalid_o,
                 s_axil_bresp_o, s_axil_arready_o, s_axil_rvalid_o, s_axil_rdata_o, s_axil_rresp_o);
    std::fprintf(trace, "%x%08x%02x%x%x%08x%02x%x%016llx%x%x%x\n", m_axi_arvalid_o, m_axi_araddr_o,
                 m_axi_arlen_o, m_axi_rready_o, m_axi_awvalid_o, m_axi_awaddr_o, m_axi_awlen_o,
                 m_axi_wvalid_o, static_cast<unsigned long long>(m_axi_wdata_o), m_axi_wlast_o,
                 m_axi_bready_o, irq_o);
  }

  bool clock_ = false;
};

}  // namespace
}  // namespace bitloop::rtl_test

int main(int argc, char** argv) {
  using namespace bitloop::rtl_test;
  if (argc != 4 || (trace = std::fopen(argv[1], "w")) == nullptr) {
    std::fprintf(stderr, "usage: replay_recorder FILE SEED STALLS_PERCENT\n");
    return 2;
  }
  const auto seed = static_cast<unsigned>(std::atoi(argv[2]));
  const auto bench = std::make_unique<Bench<Recorded>>(seed, std::atoi(argv[3]));
  SampleJob(seed).place(*bench);
  bench->write_register(registers::kIrqEnable, 1);
  bool good = bench->run(kSampleJob) && bench->read_register(registers::kError) == 0;
  // The bus and all counters are in the trace, and so compared.
  good = good && bench->counters()[registers::kCounterCycles] > 1000;
  good = std::fclose(trace) == 0 && good && !testing::Test::HasFailure();
#if VM_COVERAGE
  Verilated::threadContextp()->coveragep()->write((std::string(argv[1]) + ".coverage").c_str());
#endif
  std::printf("%llu cycles\n", static_cast<unsigned long long>(bench->cycle));
  return good ? 0 : 1;
}
