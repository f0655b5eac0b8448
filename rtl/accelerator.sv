// SPDX-License-Identifier: Apache-2.0
// The accelerator: registers behind AXI4-Lite, one AXI4 master, load, compute and store engines under a sequencer.
// docs/accelerator.md describes it; docs/registers.md the registers. One clock; the reset pin is used synchronously.
// The master has one ID, INCR bursts of at most 16 beats of 8 bytes inside 4 KB, at most 8 under way each way.
module accelerator #(
  parameter int          P              = 8,      // positions of a tile, and activation banks
  parameter int          F              = 16,     // filters of a group, and weight banks
  parameter int          ActivationRows = 4096,   // words per activation bank
  parameter int          WeightRows     = 1024,   // words per weight bank
  parameter int          ParameterSlots = 64,     // filter groups whose requantization fits on chip
  parameter int          ChannelLanes   = 32,     // channels a pass of the channelwise units, of 32
  parameter int          StagingWords   = 4096,   // image bytes before packing, in words
  parameter logic [63:0] Fingerprint    = 64'd0,
  // 0 elides data: every cycle, counter and bus address stays the same.
  parameter bit          Datapath       = 1'b1
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic        s_axil_awvalid_i,
  output logic        s_axil_awready_o,
  input  logic [11:0] s_axil_awaddr_i,
  input  logic        s_axil_wvalid_i,
  output logic        s_axil_wready_o,
  input  logic [31:0] s_axil_wdata_i,
  input  logic [3:0]  s_axil_wstrb_i,
  output logic        s_axil_bvalid_o,
  input  logic        s_axil_bready_i,
  output logic [1:0]  s_axil_bresp_o,
  input  logic        s_axil_arvalid_i,
  output logic        s_axil_arready_o,
  input  logic [11:0] s_axil_araddr_i,
  output logic        s_axil_rvalid_o,
  input  logic        s_axil_rready_i,
  output logic [31:0] s_axil_rdata_o,
  output logic [1:0]  s_axil_rresp_o,

  output logic        m_axi_arvalid_o,
  input  logic        m_axi_arready_i,
  output logic        m_axi_arid_o,
  output logic [31:0] m_axi_araddr_o,
  output logic [7:0]  m_axi_arlen_o,
  output logic [2:0]  m_axi_arsize_o,
  output logic [1:0]  m_axi_arburst_o,
  input  logic        m_axi_rvalid_i,
  output logic        m_axi_rready_o,
  input  logic [63:0] m_axi_rdata_i,
  input  logic [1:0]  m_axi_rresp_i,
  input  logic        m_axi_rlast_i,
  output logic        m_axi_awvalid_o,
  input  logic        m_axi_awready_i,
  output logic        m_axi_awid_o,
  output logic [31:0] m_axi_awaddr_o,
  output logic [7:0]  m_axi_awlen_o,
  output logic [2:0]  m_axi_awsize_o,
  output logic [1:0]  m_axi_awburst_o,
  output logic        m_axi_wvalid_o,
  input  logic        m_axi_wready_i,
  output logic [63:0] m_axi_wdata_o,
  output logic [7:0]  m_axi_wstrb_o,
  output logic        m_axi_wlast_o,
  input  logic        m_axi_bvalid_i,
  output logic        m_axi_bready_o,
  input  logic [1:0]  m_axi_bresp_i,

  output logic        irq_o
);

  ////////////
  // Limits //
  ////////////

  // Those of sim/hardware_text.h. What a tool says of a parameter beyond them is the name of a module that is not there:
  // of all ways to stop an elaboration the one that Verilator, Icarus and Yosys have in common.
  function automatic logic legal(input int value, input int low, input int high);
    legal = value >= low && value <= high && (value & (value - 1)) == 0;
  endfunction

  if (!legal(P, 2, 32)) begin : g_p
    P_must_be_a_power_of_two_from_2_to_32 u_refused ();
  end
  if (!legal(F, 2, 32)) begin : g_f
    F_must_be_a_power_of_two_from_2_to_32 u_refused ();
  end
  if (!legal(ActivationRows, 64, 32768)) begin : g_activation_rows
    ActivationRows_must_be_a_power_of_two_from_64_to_32768 u_refused ();
  end
  if (!legal(WeightRows, 64, 32768)) begin : g_weight_rows
    WeightRows_must_be_a_power_of_two_from_64_to_32768 u_refused ();
  end
  if (!legal(ParameterSlots, 2, 64)) begin : g_parameter_slots
    ParameterSlots_must_be_a_power_of_two_from_2_to_64 u_refused ();
  end
  if (!legal(ChannelLanes, 16, 32)) begin : g_channel_lanes
    ChannelLanes_must_be_16_or_32 u_refused ();
  end
  if (!legal(StagingWords, 64, 32768)) begin : g_staging_words
    StagingWords_must_be_a_power_of_two_from_64_to_32768 u_refused ();
  end

  localparam int PixelBits  = $clog2(P);
  localparam int FilterBits = $clog2(F);
  localparam int StoreWords = 8;  // on their way from activation SRAM to the bus

  assign m_axi_arid_o    = 1'b0;
  assign m_axi_arsize_o  = 3'd3;
  assign m_axi_arburst_o = 2'b01;
  assign m_axi_awid_o    = 1'b0;
  assign m_axi_awsize_o  = 3'd3;
  assign m_axi_awburst_o = 2'b01;
  assign m_axi_wstrb_o   = 8'hff;

  //////////////////////////
  // Reset and registers //
  //////////////////////////

  logic        rst;
  logic        halt;
  logic        clear;
  logic        resetting;
  logic        soft_reset;
  logic        reader_idle;
  logic        writer_idle;
  logic        snapshot;
  logic        start;
  logic        job_done;
  logic [31:0] base;
  logic [31:0] job;
  logic [2:0]  error;
  logic [31:0] error_info;
  logic        counters_busy;
  logic [4:0]  counter_index;
  logic [63:0] counter;

  reset_control u_reset (
    .clk_i,
    .rst_ni,
    .soft_reset_i(soft_reset),
    .idle_i      (reader_idle && writer_idle),
    .rst_o       (rst),
    .halt_o      (halt),
    .clear_o     (clear),
    .busy_o      (resetting)
  );

  register_slave #(
    .P             (P),
    .F             (F),
    .ActivationRows(ActivationRows),
    .WeightRows    (WeightRows),
    .ParameterSlots(ParameterSlots),
    .ChannelLanes  (ChannelLanes),
    .StagingWords  (StagingWords),
    .Fingerprint   (Fingerprint)
  ) u_registers (
    .clk_i,
    .rst_ni,
    .clear_i        (clear),
    .s_axil_awvalid_i,
    .s_axil_awready_o,
    .s_axil_awaddr_i,
    .s_axil_wvalid_i,
    .s_axil_wready_o,
    .s_axil_wdata_i,
    .s_axil_wstrb_i,
    .s_axil_bvalid_o,
    .s_axil_bready_i,
    .s_axil_bresp_o,
    .s_axil_arvalid_i,
    .s_axil_arready_o,
    .s_axil_araddr_i,
    .s_axil_rvalid_o,
    .s_axil_rready_i,
    .s_axil_rdata_o,
    .s_axil_rresp_o,
    .soft_reset_o   (soft_reset),
    .snapshot_o     (snapshot),
    .start_o        (start),
    .done_i         (job_done),
    .resetting_i    (resetting),
    .base_o         (base),
    .job_o          (job),
    .error_i        (error),
    .error_info_i   (error_info),
    .counters_busy_i(counters_busy),
    .counter_index_o(counter_index),
    .counter_i      (counter),
    .irq_o
  );

  ///////////////
  // Sequencer //
  ///////////////

  logic         fetch_valid;
  logic         fetch_ready;
  logic [31:0]  fetch_address;
  logic [31:0]  fetch_words;
  logic [31:0]  job_base;
  logic         fetched_valid;
  logic [63:0]  read_word;

  logic         flush;
  logic [511:0] next_instr;
  logic         load_push, compute_push, store_push;
  logic         load_full, compute_full, store_full;
  logic [15:0]  load_count, compute_count, store_count;
  logic         load_done, compute_done, writer_done, store_done;
  logic         load_busy, compute_busy, drain_busy, store_busy;
  logic         read_error;
  logic         write_error;

  logic         count;
  logic         take;
  logic         latch;
  logic         step;
  logic         dispatch;
  logic         record_select;
  logic         record_valid;
  logic         record_ready;
  logic [31:0]  record_address;
  logic [31:0]  record_words;
  logic         record_word_valid;
  logic         record_word_ready;
  logic [63:0]  record_word;

  assign store_done = writer_done && !record_select;

  sequencer #(
    .P             (P),
    .F             (F),
    .ParameterSlots(ParameterSlots)
  ) u_sequencer (
    .clk_i,
    .rst_i               (rst),
    .start_i             (start),
    .base_i              (base),
    .base_o              (job_base),
    .job_i               (job),
    .done_o              (job_done),
    .error_o             (error),
    .error_info_o        (error_info),
    .fetch_valid_o       (fetch_valid),
    .fetch_ready_i       (fetch_ready),
    .fetch_address_o     (fetch_address),
    .fetch_words_o       (fetch_words),
    .word_valid_i        (fetched_valid),
    .word_i              (read_word),
    .flush_o             (flush),
    .load_push_o         (load_push),
    .compute_push_o      (compute_push),
    .store_push_o        (store_push),
    .load_full_i         (load_full),
    .compute_full_i      (compute_full),
    .store_full_i        (store_full),
    .instr_o             (next_instr),
    .load_done_i         (load_done),
    .compute_done_i      (compute_done),
    .store_done_i        (store_done),
    .load_count_o        (load_count),
    .compute_count_o     (compute_count),
    .store_count_o       (store_count),
    .quiet_i             (reader_idle && writer_idle && !load_busy && !compute_busy && !drain_busy &&
                          !store_busy),
    .read_error_i        (read_error),
    .write_error_i       (write_error),
    .count_o             (count),
    .take_o              (take),
    .latch_o             (latch),
    .step_o              (step),
    .dispatch_o          (dispatch),
    .record_select_o     (record_select),
    .record_valid_o      (record_valid),
    .record_ready_i      (record_ready),
    .record_address_o    (record_address),
    .record_words_o      (record_words),
    .record_word_valid_o (record_word_valid),
    .record_word_ready_i (record_word_ready),
    .record_done_i       (writer_done)
  );

  ////////////
  // Queues //
  ////////////

  logic         load_valid, load_ready;
  logic         compute_valid, compute_ready;
  logic         store_valid, store_ready;
  logic [511:0] load_instr, compute_instr, store_instr;
  logic         stall_load, stall_store;

  // Only the compute queue's waits are counted.
  logic unused_load_waits_load, unused_load_waits_compute, unused_load_waits_store;
  logic unused_store_waits_load, unused_store_waits_compute, unused_store_waits_store;
  logic unused_compute_waits_compute;

  // Loads have fields up to d11, stores up to d8.
  localparam int LoadWidth  = 12 * 32;
  localparam int StoreWidth = 9 * 32;
  assign load_instr[511:LoadWidth]   = '0;
  assign store_instr[511:StoreWidth] = '0;

  instruction_queue #(
    .Width  (LoadWidth),
    .OwnLoad(1'b1)
  ) u_load_queue (
    .clk_i,
    .rst_i            (rst),
    .flush_i          (flush),
    .push_i           (load_push),
    .push_instr_i     (next_instr[LoadWidth-1:0]),
    .full_o           (load_full),
    .load_done_i      (load_count),
    .compute_done_i   (compute_count),
    .store_done_i     (store_count),
    .instr_valid_o    (load_valid),
    .instr_ready_i    (load_ready),
    .instr_o          (load_instr[LoadWidth-1:0]),
    .waiting_load_o   (unused_load_waits_load),
    .waiting_compute_o(unused_load_waits_compute),
    .waiting_store_o  (unused_load_waits_store)
  );

  instruction_queue u_compute_queue (
    .clk_i,
    .rst_i            (rst),
    .flush_i          (flush),
    .push_i           (compute_push),
    .push_instr_i     (next_instr),
    .full_o           (compute_full),
    .load_done_i      (load_count),
    .compute_done_i   (compute_count),
    .store_done_i     (store_count),
    .instr_valid_o    (compute_valid),
    .instr_ready_i    (compute_ready),
    .instr_o          (compute_instr),
    .waiting_load_o   (stall_load),
    .waiting_compute_o(unused_compute_waits_compute),
    .waiting_store_o  (stall_store)
  );

  instruction_queue #(
    .Width   (StoreWidth),
    .OwnStore(1'b1)
  ) u_store_queue (
    .clk_i,
    .rst_i            (rst),
    .flush_i          (flush),
    .push_i           (store_push),
    .push_instr_i     (next_instr[StoreWidth-1:0]),
    .full_o           (store_full),
    .load_done_i      (load_count),
    .compute_done_i   (compute_count),
    .store_done_i     (store_count),
    .instr_valid_o    (store_valid),
    .instr_ready_i    (store_ready),
    .instr_o          (store_instr[StoreWidth-1:0]),
    .waiting_load_o   (unused_store_waits_load),
    .waiting_compute_o(unused_store_waits_compute),
    .waiting_store_o  (unused_store_waits_store)
  );

  /////////////
  // Engines //
  /////////////

  logic                  read_run_valid, read_run_ready;
  logic [31:0]           read_run_address, read_run_words;
  logic                  load_beat_valid, load_beat_ready;
  logic [1:0]            ld_valid, ld_ready;  // of an even and an odd bank
  logic [2*PixelBits-1:0] ld_bank;
  logic [31:0]           ld_row;
  logic [127:0]          ld_data;
  logic                  weight_write;
  logic [FilterBits-1:0] weight_bank;
  logic [15:0]           weight_row;
  logic [63:0]           weight_data;
  logic                  param_write;
  logic [5:0]            param_slot;
  logic [7:0]            param_word;
  logic [63:0]           param_data;
  logic                  table_write;
  logic [4:0]            table_word;
  logic [63:0]           table_data;

  load_engine #(
    .P           (P),
    .F           (F),
    .StagingWords(StagingWords),
    .Datapath    (Datapath)
  ) u_load (
    .clk_i,
    .rst_i         (rst),
    .base_i        (job_base),
    .instr_valid_i (load_valid),
    .instr_ready_o (load_ready),
    .instr_i       (load_instr),
    .done_o        (load_done),
    .busy_o        (load_busy),
    .run_valid_o   (read_run_valid),
    .run_ready_i   (read_run_ready),
    .run_address_o (read_run_address),
    .run_words_o   (read_run_words),
    .word_valid_i  (load_beat_valid),
    .word_ready_o  (load_beat_ready),
    .word_i        (read_word),
    .act_valid_o   (ld_valid),
    .act_ready_i   (ld_ready),
    .act_bank_o    (ld_bank),
    .act_row_o     (ld_row),
    .act_data_o    (ld_data),
    .weight_write_o(weight_write),
    .weight_bank_o (weight_bank),
    .weight_row_o  (weight_row),
    .weight_data_o (weight_data),
    .param_write_o (param_write),
    .param_slot_o  (param_slot),
    .param_word_o  (param_word),
    .param_data_o  (param_data),
    .table_write_o (table_write),
    .table_word_o  (table_word),
    .table_data_o  (table_data)
  );

  logic                 write_run_valid, write_run_ready, write_run_last;
  logic [31:0]          write_run_address, write_run_words;
  logic                 store_beat_valid, store_beat_left;
  logic [63:0]          store_beat;
  logic                 st_valid, st_ready;
  logic [PixelBits-1:0] st_bank;
  logic [15:0]          st_row;
  logic [63:0]          st_data;

  store_engine #(
    .P          (P),
    .BufferWords(StoreWords),
    .Datapath   (Datapath)
  ) u_store (
    .clk_i,
    .rst_i        (rst),
    .base_i       (job_base),
    .instr_valid_i(store_valid),
    .instr_ready_o(store_ready),
    .instr_i      (store_instr),
    .done_i       (store_done),
    .busy_o       (store_busy),
    .run_valid_o  (write_run_valid),
    .run_ready_i  (write_run_ready),
    .run_address_o(write_run_address),
    .run_words_o  (write_run_words),
    .run_last_o   (write_run_last),
    .word_valid_o (store_beat_valid),
    .word_left_i  (store_beat_left),
    .word_o       (store_beat),
    .act_valid_o  (st_valid),
    .act_ready_i  (st_ready),
    .act_bank_o   (st_bank),
    .act_row_o    (st_row),
    .act_data_i   (st_data)
  );

  logic       array_active, pool_active, channel_active, stall_drain, stall_fetch;
  logic       requantize, weight_read;
  logic [7:0] activation_reads, activation_writes;

  compute_engine #(
    .P             (P),
    .F             (F),
    .ActivationRows(ActivationRows),
    .WeightRows    (WeightRows),
    .ParameterSlots(ParameterSlots),
    .ChannelLanes  (ChannelLanes),
    .Datapath      (Datapath)
  ) u_compute (
    .clk_i,
    .rst_i              (rst),
    .instr_valid_i      (compute_valid),
    .instr_ready_o      (compute_ready),
    .instr_i            (compute_instr),
    .done_o             (compute_done),
    .ld_valid_i         (ld_valid),
    .ld_ready_o         (ld_ready),
    .ld_bank_i          (ld_bank),
    .ld_row_i           (ld_row),
    .ld_data_i          (ld_data),
    .st_valid_i         (st_valid),
    .st_ready_o         (st_ready),
    .st_bank_i          (st_bank),
    .st_row_i           (st_row),
    .st_data_o          (st_data),
    .wgt_we_i           (weight_write),
    .wgt_bank_i         (weight_bank),
    .wgt_row_i          (weight_row),
    .wgt_data_i         (weight_data),
    .par_we_i           (param_write),
    .par_slot_i         (param_slot),
    .par_word_i         (param_word),
    .par_data_i         (param_data),
    .tab_we_i           (table_write),
    .tab_word_i         (table_word),
    .tab_data_i         (table_data),
    .array_active_o     (array_active),
    .pool_active_o      (pool_active),
    .channel_active_o   (channel_active),
    .stall_drain_o      (stall_drain),
    .stall_fetch_o      (stall_fetch),
    .drain_busy_o       (drain_busy),
    .busy_o             (compute_busy),
    .requantize_o       (requantize),
    .activation_reads_o (activation_reads),
    .activation_writes_o(activation_writes),
    .weight_read_o      (weight_read)
  );

  /////////
  // Bus //
  /////////

  logic read_burst, read_beat, write_burst, write_beat;

  axi_reader u_reader (
    .clk_i,
    .rst_i                 (rst),
    .halt_i                (halt),
    .idle_o                (reader_idle),
    .sequencer_valid_i     (fetch_valid),
    .sequencer_ready_o     (fetch_ready),
    .sequencer_address_i   (fetch_address),
    .sequencer_words_i     (fetch_words),
    .sequencer_word_valid_o(fetched_valid),
    .load_valid_i          (read_run_valid),
    .load_ready_o          (read_run_ready),
    .load_address_i        (read_run_address),
    .load_words_i          (read_run_words),
    .load_word_valid_o     (load_beat_valid),
    .load_word_ready_i     (load_beat_ready),
    .word_o                (read_word),
    .error_o               (read_error),
    .burst_o               (read_burst),
    .beat_o                (read_beat),
    .m_axi_arvalid_o,
    .m_axi_arready_i,
    .m_axi_araddr_o,
    .m_axi_arlen_o,
    .m_axi_rvalid_i,
    .m_axi_rready_o,
    .m_axi_rdata_i,
    .m_axi_rresp_i,
    .m_axi_rlast_i
  );

  axi_writer #(
    .BufferWords(StoreWords)
  ) u_writer (
    .clk_i,
    .rst_i              (rst),
    .halt_i             (halt),
    .idle_o             (writer_idle),
    .record_select_i    (record_select),
    .record_valid_i     (record_valid),
    .record_ready_o     (record_ready),
    .record_address_i   (record_address),
    .record_words_i     (record_words),
    .record_word_valid_i(record_word_valid),
    .record_word_ready_o(record_word_ready),
    .record_word_i      (record_word),
    .store_valid_i      (write_run_valid),
    .store_ready_o      (write_run_ready),
    .store_address_i    (write_run_address),
    .store_words_i      (write_run_words),
    .store_last_i       (write_run_last),
    .store_word_valid_i (store_beat_valid),
    .store_word_left_o  (store_beat_left),
    .store_word_i       (store_beat),
    .done_o             (writer_done),
    .error_o            (write_error),
    .burst_o            (write_burst),
    .beat_o             (write_beat),
    .m_axi_awvalid_o,
    .m_axi_awready_i,
    .m_axi_awaddr_o,
    .m_axi_awlen_o,
    .m_axi_wvalid_o,
    .m_axi_wready_i,
    .m_axi_wdata_o,
    .m_axi_wlast_o,
    .m_axi_bvalid_i,
    .m_axi_bready_o,
    .m_axi_bresp_i
  );

  //////////////
  // Counters //
  //////////////

  counters #(
    .P(P),
    .F(F)
  ) u_counters (
    .clk_i,
    .rst_i              (rst),
    .clear_i            (start),
    .run_i              (count),
    .take_i             (take),
    .latch_i            (latch),
    .step_i             (step),
    .word_o             (record_word),
    .snapshot_i         (snapshot),
    .snapshot_busy_o    (counters_busy),
    .index_i            (counter_index),
    .latched_o          (counter),
    .array_active_i     (array_active),
    .pool_active_i      (pool_active),
    .channel_active_i   (channel_active),
    .stall_drain_i      (stall_drain),
    .stall_fetch_i      (stall_fetch),
    .stall_load_i       (stall_load),
    .stall_store_i      (stall_store),
    .drain_busy_i       (drain_busy),
    .load_busy_i        (load_busy),
    .store_busy_i       (store_busy),
    .requantize_i       (requantize),
    .activation_reads_i (activation_reads),
    .activation_writes_i(activation_writes),
    .weight_read_i      (weight_read),
    .weight_write_i     (weight_write),
    .read_beat_i        (read_beat),
    .write_beat_i       (write_beat),
    .read_burst_i       (read_burst),
    .write_burst_i      (write_burst),
    .descriptor_i       (dispatch)
  );

endmodule
