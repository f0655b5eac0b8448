#pragma once

#include <fmt/format.h>
#include <verilated.h>
#include <verilated_fst_c.h>

#include <memory>
#include <optional>
#include <string>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "sim/configuration.h"
#include "sim/memory.h"

namespace bitloop::sim {

/// The accelerator compiled by Verilator (`Model`) with the memory behind it.
///
/// Time passes only inside register accesses, `wait_done` and `reset`. A cycle is the rising edge with the
/// pins that were settled before it, then the new pins at low clock, after which outputs are settled: two
/// evaluations. Where the model has phases (sim/verilate.cmake) and writes no waveform, the parts of them
/// that have something to do stand in their place.
template <class Model>
class VerilatedDevice final : public host::Device {
 public:
  VerilatedDevice(const Configuration& configuration, const MemoryModel& memory,
                  const std::optional<WaveWindow>& wave)
      : memory_(memory), wave_(wave) {
    context_.randReset(0);
    context_.traceEverOn(wave.has_value());
    model_ = std::make_unique<Model>(&context_, "accelerator");
    if (wave) start_trace();
    hard_reset();
    read_info(configuration, memory);
  }

  ~VerilatedDevice() override {
    if (trace_) {
      trace_->close();
    }
    model_->final();
  }

  VerilatedDevice(const VerilatedDevice&) = delete;
  VerilatedDevice& operator=(const VerilatedDevice&) = delete;

  const host::HardwareInfo& info() const override { return info_; }
  host::Address memory_size() const override { return memory_.size(); }
  void write_memory(host::Address address, std::span<const std::byte> bytes) override {
    memory_.write(address, bytes);
  }
  void read_memory(host::Address address, std::span<std::byte> bytes) override {
    memory_.read(address, bytes);
  }

  void write_register(std::uint32_t offset, std::uint32_t value) override {
    if (offset == host::registers::kBase) {
      base_ = value;
    }
    if (const auto response = access_write(offset, value); response != kAxiOkay) {
      throw DeviceError(
          fmt::format("simulated device: writing {:#x} to register {:#05x} was refused (response {})", value,
                      offset, response));
    }
  }

  std::uint32_t read_register(std::uint32_t offset) override {
    const auto [value, response] = access_read(offset);
    if (response != kAxiOkay) {
      throw DeviceError(fmt::format("simulated device: reading register {:#05x} was refused (response {})",
                                    offset, response));
    }
    return value;
  }

  bool wait_done(std::uint32_t sequence, host::Cycles limit) override {
    namespace reg = host::registers;
    const host::Cycles end = limit < ~host::Cycles{0} - cycle_ ? cycle_ + limit : ~host::Cycles{0};
    // Armed before LAST_DONE is read, so that no end of a job falls in between.
    const std::uint32_t enabled = read_register(reg::kIrqEnable);
    write_register(reg::kIrqStatus, 1);
    write_register(reg::kIrqEnable, 1);
    bool done = read_register(reg::kLastDone) == sequence;
    while (!done && cycle_ < end) {
      run_until_interrupt(end);
      write_register(reg::kIrqStatus, 1);
      done = read_register(reg::kLastDone) == sequence;
    }
    throw_on_violation();
    write_register(reg::kIrqEnable, enabled);
    return done;
  }

  void reset() override {
    if (!soft_reset()) {
      hard_reset();
      write_register(host::registers::kBase, base_);
    }
  }

 private:
  struct ReadResult {
    std::uint32_t value;
    std::uint8_t response;
  };
  /// Timing-only models cannot (tracing keeps signals alive that nothing else needs), and only they cannot.
  static constexpr bool kTraces = requires(Model & model, VerilatedFstC* trace) { model.trace(trace, 99); };
  static constexpr bool kHasPhases = requires(Model & model) { evaluate_rising_clock(*model.rootp); };
  static constexpr int kResetCycles = 4;
  static constexpr int kAccessLimit = 10'000;  // cycles: no register access takes longer

  void start_trace() {
    if constexpr (kTraces) {
      trace_ = std::make_unique<VerilatedFstC>();
      model_->trace(trace_.get(), 99);
    } else {
      throw InputError(
          fmt::format("waveform {}: a timing-only device writes none; use a full one", wave_->file.string()));
    }
  }

  /// False where it did not finish, or where the bus cannot be trusted any more.
  bool soft_reset() {
    namespace reg = host::registers;
    if (!memory_.violation().empty()) return false;
    try {
      // Longer than any transaction under way takes.
      const host::Cycles end = cycle_ + 100'000;
      bool under_way = access_write(reg::kControl, 1) == kAxiOkay;
      while (under_way && cycle_ < end) {
        const auto [status, response] = access_read(reg::kStatus);
        if (response == kAxiOkay && (status & 3) == 0) return true;
      }
    } catch (const DeviceError&) {
      // A register access that is not answered: only the hard reset is left.
    }
    return false;
  }

  void hard_reset() {
    Model& m = *model_;
    memory_.reset();
    m.s_axil_awvalid_i = m.s_axil_wvalid_i = m.s_axil_arvalid_i = 0;
    m.s_axil_bready_i = m.s_axil_rready_i = 1;
    m.s_axil_wstrb_i = 0xf;
    drive_memory_pins();
    m.rst_ni = 0;
    m.clk_i = 0;
    m.eval();
    for (int i = 0; i < kResetCycles; ++i) {
      tick();
    }
    memory_.reset();
    drive_memory_pins();
    m.rst_ni = 1;
    settle();
    // The internal reset may follow the pin by some cycles.
    for (int i = 0; i < kResetCycles; ++i) {
      tick();
    }
  }

  void read_info(const Configuration& configuration, const MemoryModel& memory) {
    namespace reg = host::registers;
    const std::uint32_t array = read_register(reg::kConfigArray);
    info_.name = configuration.name;
    info_.memory = memory.name;
    info_.clock_hz = configuration.clock_hz;
    info_.duplex = memory.beats_per_cycle > 1;
    info_.repeatable = memory.random_stall == 0;
    info_.computes = kTraces;
    info_.patience = longest_pause(memory);
    info_.pixels = static_cast<int>(array & 0xffff);
    info_.filters = static_cast<int>(array >> 16);
    info_.activation_rows = static_cast<int>(read_register(reg::kConfigActivation));
    info_.weight_rows = static_cast<int>(read_register(reg::kConfigWeight));
    info_.parameter_slots = static_cast<int>(read_register(reg::kConfigParameter));
    info_.channel_lanes = static_cast<int>(read_register(reg::kConfigChannel));
    info_.staging_words = static_cast<int>(read_register(reg::kConfigStaging));
    info_.fingerprint = fmt::format("{:08x}{:08x}{:016x}", read_register(reg::kFingerprint1),
                                    read_register(reg::kFingerprint0), simulation_hash(memory));
  }

  /// FNV-1a over what cycles depend on besides the RTL.
  static std::uint64_t simulation_hash(const MemoryModel& memory) {
    std::uint64_t hash = 14695981039346656037ull;
    for (const char c : timing_key(memory) + " " + Verilated::productVersion() + " " + BITLOOP_BENCH_HASH) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
    }
    return hash;
  }

  // --- Clock
  // -------------------------------------------------------------------------------------------------------

  void tick() {
    const auto& m = signals();
    const bool memory_steps =
        (m.m_axi_arvalid_o | m.m_axi_awvalid_o | m.m_axi_wvalid_o) != 0 || !memory_.idle();
    bool new_pins = false;
    if (memory_steps) {
      const AxiMasterPins master = master_pins();
      rise();
      new_pins = memory_.step(master);
      if (new_pins) drive_memory_pins();
    } else {
      rise();
    }
    fall(new_pins);
    ++cycle_;
  }

  void rise() {
    if constexpr (kHasPhases) {
      if (!trace_) return evaluate_rising_clock(*model_->rootp);
    }
    model_->clk_i = 1;
    evaluate();
  }

  void fall(bool new_pins) {
    if constexpr (kHasPhases) {
      if (!trace_) {
        if (new_pins) evaluate_inputs(*model_->rootp);
        return;
      }
    }
    model_->clk_i = 0;
    evaluate();
  }

  void run_until_interrupt(host::Cycles end) {
    // Also returns now and then without one, for those who look at other things.
    const host::Cycles pause = end - cycle_ < kPollCycles ? end : cycle_ + kPollCycles;
    while (cycle_ < pause && signals().irq_o == 0) {
      tick();
    }
  }
  static constexpr host::Cycles kPollCycles = 1 << 16;

  void evaluate() {
    model_->eval();
    if constexpr (kTraces) {
      if (trace_) [[unlikely]] {
        dump();
      }
    }
  }

  /// Lets outputs follow inputs that were changed between two cycles.
  void settle() { model_->eval(); }

  void dump() {
    if (cycle_ < wave_->first || cycle_ >= wave_->last) {
      return;
    }
    if (!trace_->isOpen()) {
      trace_->open(wave_->file.c_str());
      if (!trace_->isOpen()) {
        throw InputError(fmt::format("waveform {}: cannot write the file", wave_->file.string()));
      }
    }
    trace_->dump(2 * cycle_ + (model_->clk_i == 0));
    if (cycle_ + 1 == wave_->last && model_->clk_i == 0) {
      trace_->close();
      trace_.reset();
    }
  }

  // --- Pins
  // --------------------------------------------------------------------------------------------------------

  /// The model's ports; where there are phases those of its root, which are not references.
  auto& signals() const {
    if constexpr (kHasPhases) {
      return *model_->rootp;
    } else {
      return *model_;
    }
  }

  AxiMasterPins master_pins() const {
    const auto& m = signals();
    return {.ar = {m.m_axi_arvalid_o != 0, m.m_axi_araddr_o, m.m_axi_arlen_o, m.m_axi_arsize_o,
                   m.m_axi_arburst_o},
            .aw = {m.m_axi_awvalid_o != 0, m.m_axi_awaddr_o, m.m_axi_awlen_o, m.m_axi_awsize_o,
                   m.m_axi_awburst_o},
            .r_ready = m.m_axi_rready_o != 0,
            .b_ready = m.m_axi_bready_o != 0,
            .w_valid = m.m_axi_wvalid_o != 0,
            .w_last = m.m_axi_wlast_o != 0,
            .w_strobe = m.m_axi_wstrb_o,
            .w_data = m.m_axi_wdata_o};
  }

  void drive_memory_pins() {
    auto& m = signals();
    const AxiSlavePins& pins = memory_.pins();
    m.m_axi_arready_i = pins.ar_ready;
    m.m_axi_awready_i = pins.aw_ready;
    m.m_axi_wready_i = pins.w_ready;
    m.m_axi_rvalid_i = pins.r_valid;
    m.m_axi_rlast_i = pins.r_last;
    m.m_axi_rresp_i = pins.r_response;
    m.m_axi_rdata_i = pins.r_data;
    m.m_axi_bvalid_i = pins.b_valid;
    m.m_axi_bresp_i = pins.b_response;
  }

  // --- Registers
  // ---------------------------------------------------------------------------------------------------

  std::uint8_t access_write(std::uint32_t offset, std::uint32_t value) {
    Model& m = *model_;
    m.s_axil_awvalid_i = m.s_axil_wvalid_i = 1;
    m.s_axil_awaddr_i = static_cast<std::uint16_t>(offset & 0xfff);
    m.s_axil_wdata_i = value;
    for (int i = 0; i < kAccessLimit; ++i) {
      settle();
      const bool address_taken = m.s_axil_awvalid_i && m.s_axil_awready_o;
      const bool data_taken = m.s_axil_wvalid_i && m.s_axil_wready_o;
      const bool answered = m.s_axil_bvalid_o != 0;
      const std::uint8_t response = m.s_axil_bresp_o;
      tick();
      if (answered) {
        return response;
      }
      m.s_axil_awvalid_i &= !address_taken;
      m.s_axil_wvalid_i &= !data_taken;
    }
    m.s_axil_awvalid_i = m.s_axil_wvalid_i = 0;
    throw DeviceError(fmt::format("simulated device: writing register {:#05x} was not answered", offset));
  }

  ReadResult access_read(std::uint32_t offset) {
    Model& m = *model_;
    m.s_axil_arvalid_i = 1;
    m.s_axil_araddr_i = static_cast<std::uint16_t>(offset & 0xfff);
    for (int i = 0; i < kAccessLimit; ++i) {
      settle();
      const bool address_taken = m.s_axil_arvalid_i && m.s_axil_arready_o;
      const bool answered = m.s_axil_rvalid_o != 0;
      const ReadResult result{m.s_axil_rdata_o, m.s_axil_rresp_o};
      tick();
      if (answered) {
        return result;
      }
      m.s_axil_arvalid_i &= !address_taken;
    }
    m.s_axil_arvalid_i = 0;
    throw DeviceError(fmt::format("simulated device: reading register {:#05x} was not answered", offset));
  }

  void throw_on_violation() const {
    if (!memory_.violation().empty()) {
      throw DeviceError("simulated device: AXI protocol violated: " + memory_.violation());
    }
  }

  VerilatedContext context_;
  std::unique_ptr<Model> model_;
  Memory memory_;
  std::optional<WaveWindow> wave_;
  std::unique_ptr<VerilatedFstC> trace_;
  host::HardwareInfo info_;
  host::Cycles cycle_ = 0;
  std::uint32_t base_ = 0;
};

}  // namespace bitloop::sim
