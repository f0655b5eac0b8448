// SPDX-License-Identifier: Apache-2.0
// The register map (registers.json) behind AXI4-Lite.
// Write address and data are taken independently, each into a register; a write takes place when both are there, its
// response follows in the next cycle. A read answers 2 cycles after its address (COUNTERS wait while the counters are
// being latched). Unmapped offsets, writes of read-only registers and of parts of a word, and START while a job or a
// soft reset runs answer SLVERR; such reads give 0 and such writes do nothing.
// The soft reset (`clear_i`) keeps BASE and IRQ_ENABLE and the bus transactions under way.
module register_slave #(
  parameter int          P              = 8,
  parameter int          F              = 16,
  parameter int          ActivationRows = 4096,
  parameter int          WeightRows     = 1024,
  parameter int          ParameterSlots = 64,
  parameter int          ChannelLanes   = 32,
  parameter int          StagingWords   = 4096,
  parameter logic [63:0] Fingerprint    = 64'd0
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        clear_i,

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

  output logic        soft_reset_o,
  output logic        snapshot_o,
  output logic        start_o,     // the job's base and offset are valid
  input  logic        done_i,
  input  logic        resetting_i,
  output logic [31:0] base_o,
  output logic [31:0] job_o,
  input  logic [2:0]  error_i,
  input  logic [31:0] error_info_i,
  input  logic        counters_busy_i,
  output logic [4:0]  counter_index_o,
  input  logic [63:0] counter_i,   // of the index one cycle ago
  output logic        irq_o
);

  localparam logic [1:0] Okay     = 2'b00;
  localparam logic [1:0] SlaveErr = 2'b10;

  // Registers.
  logic        busy_q;
  logic [31:0] sequence_q;
  logic [31:0] last_done_q;
  logic [19:0] base_q;
  logic [31:0] job_q;
  logic        irq_enable_q;
  logic        irq_status_q;

  assign base_o = {base_q, 12'd0};
  assign job_o  = job_q;

  // Write side.
  logic        aw_held_q;
  logic        w_held_q;
  logic [9:0]  aw_word_q;
  logic [31:0] w_data_q;
  logic        w_whole_q;
  logic        b_valid_q;
  logic [1:0]  b_response_q;
  logic        write;

  assign s_axil_awready_o = !aw_held_q;
  assign s_axil_wready_o  = !w_held_q;
  assign s_axil_bvalid_o  = b_valid_q;
  assign s_axil_bresp_o   = b_response_q;
  assign write            = aw_held_q && w_held_q && !b_valid_q;

  function automatic logic writable(input logic [11:0] offset, input logic idle);
    case (offset)
      registers_pkg::ControlOffset:   writable = 1'b1;
      registers_pkg::BaseOffset:      writable = 1'b1;
      registers_pkg::JobOffset:       writable = 1'b1;
      registers_pkg::StartOffset:     writable = idle;
      registers_pkg::IrqEnableOffset: writable = 1'b1;
      registers_pkg::IrqStatusOffset: writable = 1'b1;
      default:                        writable = 1'b0;
    endcase
  endfunction

  always_ff @(posedge clk_i) begin
    if (s_axil_awvalid_i && s_axil_awready_o) begin
      aw_held_q <= 1'b1;
      aw_word_q <= s_axil_awaddr_i[11:2];
    end
    if (s_axil_wvalid_i && s_axil_wready_o) begin
      w_held_q  <= 1'b1;
      w_data_q  <= s_axil_wdata_i;
      w_whole_q <= s_axil_wstrb_i == 4'hf;
    end
    if (b_valid_q && s_axil_bready_i) b_valid_q <= 1'b0;
    if (write) begin
      aw_held_q    <= 1'b0;
      w_held_q     <= 1'b0;
      b_valid_q    <= 1'b1;
      b_response_q <= (w_whole_q && writable({aw_word_q, 2'd0}, !busy_q && !resetting_i)) ? Okay : SlaveErr;
    end
    if (!rst_ni) begin
      aw_held_q <= 1'b0;
      w_held_q  <= 1'b0;
      b_valid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    start_o      <= 1'b0;
    soft_reset_o <= 1'b0;
    snapshot_o   <= 1'b0;
    if (write && w_whole_q) begin
      case ({aw_word_q, 2'd0})
        registers_pkg::ControlOffset: begin
          soft_reset_o <= w_data_q[0];
          snapshot_o   <= w_data_q[1];
        end
        registers_pkg::BaseOffset:      base_q <= w_data_q[31:12];
        registers_pkg::JobOffset:       job_q <= w_data_q;
        registers_pkg::StartOffset: begin
          if (!busy_q && !resetting_i) begin
            start_o    <= 1'b1;
            sequence_q <= w_data_q;
            busy_q     <= 1'b1;
          end
        end
        registers_pkg::IrqEnableOffset: irq_enable_q <= w_data_q[0];
        registers_pkg::IrqStatusOffset: if (w_data_q[0]) irq_status_q <= 1'b0;
        default: ;
      endcase
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
    if (!rst_ni) begin
      start_o      <= 1'b0;
      soft_reset_o <= 1'b0;
      snapshot_o   <= 1'b0;
      base_q       <= 20'd0;
      irq_enable_q <= 1'b0;
    end
    irq_o <= irq_status_q && irq_enable_q && rst_ni;
  end

  // Read side: address register, then the answer.
  logic        ar_held_q;
  logic [9:0]  ar_word_q;
  logic        ar_counter_q;  // asks for a counter
  logic        ar_fetched_q;  // the counter's word has been read
  logic        r_valid_q;
  logic [31:0] r_data_q;
  logic [1:0]  r_response_q;
  logic        read;

  assign s_axil_arready_o = !ar_held_q;
  assign s_axil_rvalid_o  = r_valid_q;
  assign s_axil_rdata_o   = r_data_q;
  assign s_axil_rresp_o   = r_response_q;
  assign read             = ar_held_q && !r_valid_q && (ar_fetched_q || !ar_counter_q);

  always_ff @(posedge clk_i) begin
    if (s_axil_arvalid_i && s_axil_arready_o) begin
      ar_held_q    <= 1'b1;
      ar_word_q    <= s_axil_araddr_i[11:2];
      ar_counter_q <= s_axil_araddr_i >= registers_pkg::CountersOffset &&
                      s_axil_araddr_i < registers_pkg::CountersOffset + 12'(4 * registers_pkg::CountersWords);
      counter_index_o <= 5'((s_axil_araddr_i - registers_pkg::CountersOffset) >> 3);
    end
    ar_fetched_q <= ar_held_q && !read && !counters_busy_i;
    if (r_valid_q && s_axil_rready_i) r_valid_q <= 1'b0;
    if (read) begin
      ar_held_q    <= 1'b0;
      r_valid_q    <= 1'b1;
      r_response_q <= Okay;
      case ({ar_word_q, 2'd0})
        registers_pkg::IdOffset:               r_data_q <= registers_pkg::ResetId;
        registers_pkg::VersionOffset:          r_data_q <= registers_pkg::RegmapVersion;
        registers_pkg::RegmapHashOffset:       r_data_q <= registers_pkg::RegmapHash;
        registers_pkg::ConfigArrayOffset:      r_data_q <= {16'(F), 16'(P)};
        registers_pkg::ConfigActivationOffset: r_data_q <= 32'(ActivationRows);
        registers_pkg::ConfigWeightOffset:     r_data_q <= 32'(WeightRows);
        registers_pkg::ConfigParameterOffset:  r_data_q <= 32'(ParameterSlots);
        registers_pkg::ConfigStagingOffset:    r_data_q <= 32'(StagingWords);
        registers_pkg::Fingerprint0Offset:     r_data_q <= Fingerprint[31:0];
        registers_pkg::Fingerprint1Offset:     r_data_q <= Fingerprint[63:32];
        registers_pkg::DescriptorVersionOffset: r_data_q <= registers_pkg::ResetDescriptorVersion;
        registers_pkg::ConfigChannelOffset:    r_data_q <= 32'(ChannelLanes);
        registers_pkg::StatusOffset:           r_data_q <= {30'd0, resetting_i, busy_q};
        registers_pkg::ErrorOffset:            r_data_q <= {29'd0, error_i};
        registers_pkg::ErrorInfoOffset:        r_data_q <= error_info_i;
        registers_pkg::BaseOffset:             r_data_q <= base_o;
        registers_pkg::JobOffset:              r_data_q <= job_q;
        registers_pkg::LastDoneOffset:         r_data_q <= last_done_q;
        registers_pkg::IrqEnableOffset:        r_data_q <= {31'd0, irq_enable_q};
        registers_pkg::IrqStatusOffset:        r_data_q <= {31'd0, irq_status_q};
        default: begin
          r_data_q     <= !ar_counter_q ? 32'd0 : ar_word_q[0] ? counter_i[63:32] : counter_i[31:0];
          r_response_q <= ar_counter_q ? Okay : SlaveErr;
        end
      endcase
    end
    if (!rst_ni) begin
      ar_held_q <= 1'b0;
      r_valid_q <= 1'b0;
    end
  end

  logic unused_bits;
  assign unused_bits = ^{s_axil_awaddr_i[1:0], s_axil_araddr_i[1:0]};

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (rst_ni) assert ((done_i && !busy_q) !== 1'b1) else $error("a job ends that has not started");
  end
`endif

endmodule
