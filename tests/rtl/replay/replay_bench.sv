// SPDX-License-Identifier: Apache-2.0
// Replays, in Icarus Verilog, what replay_recorder wrote of a Verilated run: drives the accelerator's inputs cycle by
// cycle, and compares every output that means something (payloads while they are valid). Says REPLAY OK and the number
// of cycles, or the first differences. +trace=FILE
module replay_bench;

  localparam int InBits  = 4 + 4 * (1 + 3 + 1 + 8 + 1 + 1 + 1 + 3 + 1) + 4 * (1 + 1 + 16 + 1 + 1 + 1 + 1 + 1 + 1);
  localparam int OutBits = 4 * (1 + 1 + 1 + 1 + 1 + 1 + 8 + 1) + 4 * (1 + 8 + 2 + 1 + 1 + 8 + 2 + 1 + 16 + 1 + 1 + 1);

  logic clk = 1'b0;

  // A field takes whole hexadecimal digits; `z*` are the rest of the digit.
  logic [InBits+OutBits-1:0] line;
  logic [InBits-1:0]         in;
  logic [OutBits-1:0]        want;
  assign {in, want} = line;

  logic [2:0]  z0, z1, z2, z3, z4, z5, z6, z7, z8, z9, z10, z11;
  logic [1:0]  y0, y1;
  logic        rst_n, awvalid, wvalid, bready, arvalid, rready;
  logic [11:0] awaddr, araddr;
  logic [31:0] wdata;
  logic [3:0]  wstrb;
  logic        m_arready, m_rvalid, m_rlast, m_awready, m_wready, m_bvalid;
  logic [63:0] m_rdata;
  logic [1:0]  m_rresp, m_bresp;
  assign {z0, rst_n, z1, awvalid, awaddr, z2, wvalid, wdata, wstrb, z3, bready, z4, arvalid, araddr, z5, rready,
          z6, m_arready, z7, m_rvalid, m_rdata, y0, m_rresp, z8, m_rlast, z9, m_awready, z10, m_wready, z11, m_bvalid,
          y1, m_bresp} = in;

  logic        awready, wready, bvalid, arready, rvalid;
  logic [1:0]  bresp, rresp;
  logic [31:0] rdata;
  logic        m_arvalid, m_rready, m_awvalid, m_wvalid, m_wlast, m_bready, irq;
  logic [31:0] m_araddr, m_awaddr;
  logic [7:0]  m_arlen, m_awlen, m_wstrb;
  logic [63:0] m_wdata;
  logic [2:0]  m_arsize, m_awsize;
  logic [1:0]  m_arburst, m_awburst;
  logic        m_arid, m_awid;

  accelerator #(
    .P             (2),
    .F             (4),
    .ActivationRows(1024),
    .WeightRows    (512),
    .ParameterSlots(32),
    .StagingWords  (512)
  ) dut (
    .clk_i           (clk),
    .rst_ni          (rst_n),
    .s_axil_awvalid_i(awvalid),
    .s_axil_awready_o(awready),
    .s_axil_awaddr_i (awaddr),
    .s_axil_wvalid_i (wvalid),
    .s_axil_wready_o (wready),
    .s_axil_wdata_i  (wdata),
    .s_axil_wstrb_i  (wstrb),
    .s_axil_bvalid_o (bvalid),
    .s_axil_bready_i (bready),
    .s_axil_bresp_o  (bresp),
    .s_axil_arvalid_i(arvalid),
    .s_axil_arready_o(arready),
    .s_axil_araddr_i (araddr),
    .s_axil_rvalid_o (rvalid),
    .s_axil_rready_i (rready),
    .s_axil_rdata_o  (rdata),
    .s_axil_rresp_o  (rresp),
    .m_axi_arvalid_o (m_arvalid),
    .m_axi_arready_i (m_arready),
    .m_axi_arid_o    (m_arid),
    .m_axi_araddr_o  (m_araddr),
    .m_axi_arlen_o   (m_arlen),
    .m_axi_arsize_o  (m_arsize),
    .m_axi_arburst_o (m_arburst),
    .m_axi_rvalid_i  (m_rvalid),
    .m_axi_rready_o  (m_rready),
    .m_axi_rdata_i   (m_rdata),
    .m_axi_rresp_i   (m_rresp),
    .m_axi_rlast_i   (m_rlast),
    .m_axi_awvalid_o (m_awvalid),
    .m_axi_awready_i (m_awready),
    .m_axi_awid_o    (m_awid),
    .m_axi_awaddr_o  (m_awaddr),
    .m_axi_awlen_o   (m_awlen),
    .m_axi_awsize_o  (m_awsize),
    .m_axi_awburst_o (m_awburst),
    .m_axi_wvalid_o  (m_wvalid),
    .m_axi_wready_i  (m_wready),
    .m_axi_wdata_o   (m_wdata),
    .m_axi_wstrb_o   (m_wstrb),
    .m_axi_wlast_o   (m_wlast),
    .m_axi_bvalid_i  (m_bvalid),
    .m_axi_bready_o  (m_bready),
    .m_axi_bresp_i   (m_bresp),
    .irq_o           (irq)
  );

  // Payloads count while they are valid; X where it does not matter is no difference, elsewhere it is.
  logic [OutBits-1:0] got;
  assign got = {3'd0, awready, 3'd0, wready, 3'd0, bvalid, 2'd0, bvalid === 1'b1 ? bresp : 2'd0, 3'd0, arready,
                3'd0, rvalid, rvalid === 1'b1 ? rdata : 32'd0, 2'd0, rvalid === 1'b1 ? rresp : 2'd0,
                3'd0, m_arvalid, m_arvalid === 1'b1 ? {m_araddr, m_arlen} : 40'd0, 3'd0, m_rready,
                3'd0, m_awvalid, m_awvalid === 1'b1 ? {m_awaddr, m_awlen} : 40'd0,
                3'd0, m_wvalid, m_wvalid === 1'b1 ? m_wdata : 64'd0, 3'd0, m_wvalid === 1'b1 ? m_wlast : 1'b0,
                3'd0, m_bready, 3'd0, irq};

  // The same of the Verilated run.
  logic [2:0]  w0, w1, w2, w3, w4, w6, w7, w8, w9, w10, w11, w12;
  logic [1:0]  v0, v1;
  logic        e_awready, e_wready, e_bvalid, e_arready, e_rvalid, e_arv, e_rready, e_awv, e_wv, e_wlast, e_bready, e_irq;
  logic [1:0]  e_bresp, e_rresp;
  logic [31:0] e_rdata;
  logic [39:0] e_ar, e_aw;
  logic [63:0] e_wdata;
  assign {w0, e_awready, w1, e_wready, w2, e_bvalid, v0, e_bresp, w3, e_arready, w4, e_rvalid, e_rdata, v1, e_rresp,
          w6, e_arv, e_ar, w7, e_rready, w8, e_awv, e_aw, w9, e_wv, e_wdata, w10, e_wlast, w11, e_bready, w12, e_irq} =
         want;
  logic [OutBits-1:0] wanted;
  assign wanted = {3'd0, e_awready, 3'd0, e_wready, 3'd0, e_bvalid, 2'd0, e_bvalid ? e_bresp : 2'd0, 3'd0, e_arready,
                   3'd0, e_rvalid, e_rvalid ? e_rdata : 32'd0, 2'd0, e_rvalid ? e_rresp : 2'd0,
                   3'd0, e_arv, e_arv ? e_ar : 40'd0, 3'd0, e_rready, 3'd0, e_awv, e_awv ? e_aw : 40'd0,
                   3'd0, e_wv, e_wv ? e_wdata : 64'd0, 3'd0, e_wv ? e_wlast : 1'b0, 3'd0, e_bready, 3'd0, e_irq};

  integer file, cycle, after_reset, differences, writes;
  reg [8*256-1:0] name;

  initial begin
    if (!$value$plusargs("trace=%s", name)) $fatal(1, "replay_bench: +trace=FILE");
    file = $fopen(name, "r");
    if (file == 0) $fatal(1, "replay_bench: cannot read the trace");
    cycle       = 0;
    after_reset = 0;
    differences = 0;
    writes      = 0;
    while (differences < 5 && $fscanf(file, "%h", line) == 1) begin
      #1;
      // The accelerator's own reset ends some cycles after the pin's.
      after_reset = rst_n ? after_reset + 1 : 0;
      if (after_reset > 2 && got !== wanted) begin
        $display("cycle %0d: got    %h", cycle, got);
        $display("cycle %0d: wanted %h", cycle, wanted);
        differences = differences + 1;
      end
      if (m_wvalid === 1'b1 && m_wready) writes = writes + 1;
      #1 clk = 1'b1;
      #1 clk = 1'b0;
      cycle = cycle + 1;
    end
    if (differences != 0) $display("REPLAY DIFFERS");
    else if (cycle < 1000 || writes < 100) $display("REPLAY TOO SHORT: %0d cycles, %0d words written", cycle, writes);
    else $display("REPLAY OK: %0d cycles, %0d words written", cycle, writes);
    $finish;
  end

endmodule
