// SPDX-License-Identifier: Apache-2.0
// What register_slave.sv promises on AXI4-Lite: one response per request and none without, responses stand until they are
// taken, a write answers the cycle after its address and data are in, a read 2 cycles after its address; the right
// responses; registers hold what was written to them; START starts only what may start.
// Assumed: only a job that runs ends. All other inputs are free.
module register_slave_properties (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        clear_i,
  input logic        awvalid_i,
  input logic [11:0] awaddr_i,
  input logic        wvalid_i,
  input logic [31:0] wdata_i,
  input logic [3:0]  wstrb_i,
  input logic        bready_i,
  input logic        arvalid_i,
  input logic [11:0] araddr_i,
  input logic        rready_i,
  input logic        done_i,
  input logic        resetting_i,
  input logic [2:0]  error_i,
  input logic [31:0] error_info_i,
  input logic        counters_busy_i,
  input logic [63:0] counter_i
);

  localparam logic [63:0] Fingerprint = 64'h0123_4567_89ab_cdef;

  logic        awready, wready, bvalid, arready, rvalid;
  logic [1:0]  bresp, rresp;
  logic [31:0] rdata, base, job;
  logic        soft_reset, snapshot, start, irq;
  logic [4:0]  counter_index;

  register_slave #(
    .P             (2),
    .F             (4),
    .ActivationRows(1024),
    .WeightRows    (512),
    .ParameterSlots(32),
    .ChannelLanes  (16),
    .StagingWords  (256),
    .Fingerprint   (Fingerprint)
  ) dut (
    .clk_i,
    .rst_ni,
    .clear_i,
    .s_axil_awvalid_i(awvalid_i),
    .s_axil_awready_o(awready),
    .s_axil_awaddr_i (awaddr_i),
    .s_axil_wvalid_i (wvalid_i),
    .s_axil_wready_o (wready),
    .s_axil_wdata_i  (wdata_i),
    .s_axil_wstrb_i  (wstrb_i),
    .s_axil_bvalid_o (bvalid),
    .s_axil_bready_i (bready_i),
    .s_axil_bresp_o  (bresp),
    .s_axil_arvalid_i(arvalid_i),
    .s_axil_arready_o(arready),
    .s_axil_araddr_i (araddr_i),
    .s_axil_rvalid_o (rvalid),
    .s_axil_rready_i (rready_i),
    .s_axil_rdata_o  (rdata),
    .s_axil_rresp_o  (rresp),
    .soft_reset_o    (soft_reset),
    .snapshot_o      (snapshot),
    .start_o         (start),
    .done_i,
    .resetting_i,
    .base_o          (base),
    .job_o           (job),
    .error_i,
    .error_info_i,
    .counters_busy_i,
    .counter_index_o (counter_index),
    .counter_i,
    .irq_o           (irq)
  );

  (* hierconn *) wire        \dut.aw_held_q ;
  (* hierconn *) wire        \dut.w_held_q ;
  (* hierconn *) wire        \dut.ar_held_q ;
  (* hierconn *) wire [9:0]  \dut.aw_word_q ;
  (* hierconn *) wire [31:0] \dut.w_data_q ;
  (* hierconn *) wire        \dut.w_whole_q ;
  (* hierconn *) wire [9:0]  \dut.ar_word_q ;
  (* hierconn *) wire        \dut.ar_counter_q ;
  (* hierconn *) wire        \dut.ar_fetched_q ;
  (* hierconn *) wire        \dut.busy_q ;
  (* hierconn *) wire [31:0] \dut.sequence_q ;
  (* hierconn *) wire [31:0] \dut.last_done_q ;
  (* hierconn *) wire        \dut.irq_enable_q ;
  (* hierconn *) wire        \dut.irq_status_q ;

  logic seen_q = 1'b0;

  // Requests taken and not answered.
  logic [1:0]  aw_open_q, w_open_q, ar_open_q;
  logic        aw_taken, w_taken, ar_taken, b_taken, r_taken;
  logic        aw_wait, w_wait, ar_wait;  // taken, and its response is not offered yet
  logic        write;

  assign aw_taken = awvalid_i && awready;
  assign w_taken  = wvalid_i && wready;
  assign ar_taken = arvalid_i && arready;
  assign b_taken  = bvalid && bready_i;
  assign r_taken  = rvalid && rready_i;
  assign aw_wait  = aw_open_q != {1'b0, bvalid};
  assign w_wait   = w_open_q != {1'b0, bvalid};
  assign ar_wait  = ar_open_q != {1'b0, rvalid};
  assign write    = aw_wait && w_wait && !bvalid;

  // The registers as registers.json describes them.
  logic [11:0] aw_q, ar_q;
  logic [31:0] w_q;
  logic        whole_q;
  logic        busy_q, irq_enable_q, irq_status_q;
  logic [31:0] base_q, job_q, sequence_q, last_done_q;
  logic        started_q, soft_reset_q, snapshot_q, irq_q;
  logic        idle;
  logic        writes_okay;
  logic        writes;

  assign idle = !busy_q && !resetting_i;

  always @* begin
    case (aw_q)
      registers_pkg::ControlOffset, registers_pkg::BaseOffset, registers_pkg::JobOffset,
      registers_pkg::IrqEnableOffset, registers_pkg::IrqStatusOffset: writes_okay = whole_q;
      registers_pkg::StartOffset:                                     writes_okay = whole_q && idle;
      default:                                                        writes_okay = 1'b0;
    endcase
  end
  assign writes = write && writes_okay;

  // What a read of anything but counters gives.
  logic [31:0] value;
  logic        mapped;
  logic        counter;

  assign counter = ar_q >= 12'h100 && ar_q < 12'h200;
  always @* begin
    mapped = 1'b1;
    case (ar_q)
      registers_pkg::IdOffset:               value = registers_pkg::ResetId;
      registers_pkg::VersionOffset:          value = registers_pkg::RegmapVersion;
      registers_pkg::RegmapHashOffset:       value = registers_pkg::RegmapHash;
      registers_pkg::ConfigArrayOffset:      value = 32'h0004_0002;
      registers_pkg::ConfigActivationOffset: value = 32'd1024;
      registers_pkg::ConfigWeightOffset:     value = 32'd512;
      registers_pkg::ConfigParameterOffset:  value = 32'd32;
      registers_pkg::ConfigStagingOffset:    value = 32'd256;
      registers_pkg::Fingerprint0Offset:     value = 32'h89ab_cdef;
      registers_pkg::Fingerprint1Offset:     value = 32'h0123_4567;
      registers_pkg::DescriptorVersionOffset: value = registers_pkg::ResetDescriptorVersion;
      registers_pkg::ConfigChannelOffset:    value = 32'd16;
      registers_pkg::StatusOffset:           value = {30'd0, resetting_i, busy_q};
      registers_pkg::ErrorOffset:            value = {29'd0, error_i};
      registers_pkg::ErrorInfoOffset:        value = error_info_i;
      registers_pkg::BaseOffset:             value = base_q;
      registers_pkg::JobOffset:              value = job_q;
      registers_pkg::LastDoneOffset:         value = last_done_q;
      registers_pkg::IrqEnableOffset:        value = {31'd0, irq_enable_q};
      registers_pkg::IrqStatusOffset:        value = {31'd0, irq_status_q};
      default: begin
        value  = 32'd0;
        mapped = 1'b0;
      end
    endcase
  end

  // One cycle ago.
  logic        was_reset_q = 1'b1;
  logic        b_waits_q, r_waits_q, write_q, okay_q, r_valid_q, mapped_q, counter_q, could_read_q, ar_wait_q;
  logic        counters_busy_q;
  logic [1:0]  b_offer_q;
  logic [33:0] r_offer_q;
  logic [31:0] value_q;
  logic [63:0] counter_word_q;
  logic [4:0]  counter_index_q;

  always @(posedge clk_i) begin
    seen_q    <= 1'b1;
    aw_open_q <= aw_open_q + aw_taken - b_taken;
    w_open_q  <= w_open_q + w_taken - b_taken;
    ar_open_q <= ar_open_q + ar_taken - r_taken;
    if (aw_taken) aw_q <= {awaddr_i[11:2], 2'd0};
    if (ar_taken) ar_q <= {araddr_i[11:2], 2'd0};
    if (w_taken) begin
      w_q     <= wdata_i;
      whole_q <= wstrb_i == 4'hf;
    end

    started_q    <= 1'b0;
    soft_reset_q <= writes && aw_q == registers_pkg::ControlOffset && w_q[0];
    snapshot_q   <= writes && aw_q == registers_pkg::ControlOffset && w_q[1];
    if (writes) begin
      if (aw_q == registers_pkg::BaseOffset) base_q <= {w_q[31:12], 12'd0};
      if (aw_q == registers_pkg::JobOffset) job_q <= w_q;
      if (aw_q == registers_pkg::IrqEnableOffset) irq_enable_q <= w_q[0];
      if (aw_q == registers_pkg::IrqStatusOffset && w_q[0]) irq_status_q <= 1'b0;
      if (aw_q == registers_pkg::StartOffset) begin
        started_q  <= 1'b1;
        busy_q     <= 1'b1;
        sequence_q <= w_q;
      end
    end
    if (done_i) begin
      busy_q       <= 1'b0;
      last_done_q  <= sequence_q;
      irq_status_q <= 1'b1;
    end
    if (clear_i || !rst_ni) begin
      busy_q       <= 1'b0;
      last_done_q  <= 32'd0;
      job_q        <= 32'd0;
      irq_status_q <= 1'b0;
    end
    irq_q <= irq_enable_q && irq_status_q && rst_ni;
    if (!rst_ni) begin
      aw_open_q    <= 2'd0;
      w_open_q     <= 2'd0;
      ar_open_q    <= 2'd0;
      base_q       <= 32'd0;
      irq_enable_q <= 1'b0;
      started_q    <= 1'b0;
      soft_reset_q <= 1'b0;
      snapshot_q   <= 1'b0;
    end

    was_reset_q     <= !rst_ni;
    b_waits_q       <= bvalid && !bready_i;
    b_offer_q       <= bresp;
    r_waits_q       <= rvalid && !rready_i;
    r_offer_q       <= {rdata, rresp};
    write_q         <= write;
    okay_q          <= writes_okay;
    r_valid_q       <= rvalid;
    value_q         <= value;
    mapped_q        <= mapped;
    counter_q       <= counter;
    counter_word_q  <= counter_i;
    counter_index_q <= counter_index;
    counters_busy_q <= counters_busy_i;
    ar_wait_q       <= ar_wait && !rvalid;
    could_read_q    <= ar_wait && !rvalid && (!counter || (ar_wait_q && !r_valid_q && !counters_busy_q));

    assume (seen_q || !rst_ni);
    assume (!done_i || busy_q);
    if (seen_q) begin
      // Exactly one response per request.
      assert (aw_open_q <= 2'd2 && w_open_q <= 2'd2 && ar_open_q <= 2'd2);
      if (bvalid) assert (aw_open_q != 2'd0 && w_open_q != 2'd0);
      if (rvalid) assert (ar_open_q != 2'd0);
      assert (awready == !aw_wait && wready == !w_wait && arready == !ar_wait);
      if (!was_reset_q) begin
        if (b_waits_q) assert (bvalid && bresp == b_offer_q);
        if (r_waits_q) assert (rvalid && {rdata, rresp} == r_offer_q);
        // A write answers in the next cycle, a read as soon as it can.
        assert (!write_q || bvalid);
        assert (!could_read_q || rvalid);
        if (write_q) assert (bresp == (okay_q ? 2'b00 : 2'b10));
        if (rvalid && !r_valid_q) begin
          assert (rresp == (mapped_q || counter_q ? 2'b00 : 2'b10));
          if (!counter_q) begin
            assert (rdata == value_q);
          end else begin
            assert (rdata == (ar_q[2] ? counter_word_q[63:32] : counter_word_q[31:0]));
            assert (counter_index_q == ar_q[7:3]);
          end
        end
      end
      // Effects.
      assert (base == base_q && job == job_q);
      assert (start == started_q && soft_reset == soft_reset_q && snapshot == snapshot_q);
      assert (irq == irq_q);
      // Induction.
      assert (aw_open_q == 2'(\dut.aw_held_q ) + 2'(bvalid));
      assert (w_open_q == 2'(\dut.w_held_q ) + 2'(bvalid));
      assert (ar_open_q == 2'(\dut.ar_held_q ) + 2'(rvalid));
      if (aw_wait) assert (\dut.aw_word_q == aw_q[11:2] && aw_q[1:0] == 2'd0);
      if (w_wait) assert (\dut.w_data_q == w_q && \dut.w_whole_q == whole_q);
      if (ar_wait) begin
        assert (\dut.ar_word_q == ar_q[11:2] && ar_q[1:0] == 2'd0 && \dut.ar_counter_q == counter);
        if (counter) assert (counter_index == ar_q[7:3]);
        if (\dut.ar_fetched_q && !was_reset_q) assert (counter_index_q == counter_index || !counter);
        if (!rvalid && !was_reset_q)
          assert (\dut.ar_fetched_q == (ar_wait_q && !counters_busy_q) || !counter || r_valid_q);
      end
      assert (\dut.busy_q == busy_q && (!busy_q || \dut.sequence_q == sequence_q));
      assert (\dut.last_done_q == last_done_q && \dut.irq_enable_q == irq_enable_q);
      assert (\dut.irq_status_q == irq_status_q);
    end
  end

endmodule
