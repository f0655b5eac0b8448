// SPDX-License-Identifier: Apache-2.0
// Stand-in for compute_engine in tests of the memory side: the activation, weight and parameter SRAMs, the table, and
// instructions that take ComputeCycles and change nothing. Every 5th cycle a "drain" takes the activation ports.
module compute_engine #(
  parameter int P              = 8,
  parameter int F              = 16,
  parameter int ActivationRows = 4096,
  parameter int WeightRows     = 1024,
  parameter int ParameterSlots = 64,
  parameter int ChannelLanes   = 32,
  parameter bit Datapath       = 1'b1
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 instr_valid_i,
  output logic                 instr_ready_o,
  input  logic [511:0]         instr_i,
  output logic                 done_o,
  input  logic [1:0]           ld_valid_i,
  output logic [1:0]           ld_ready_o,
  input  logic [2*$clog2(P)-1:0] ld_bank_i,
  input  logic [31:0]          ld_row_i,
  input  logic [127:0]         ld_data_i,
  input  logic                 st_valid_i,
  output logic                 st_ready_o,
  input  logic [$clog2(P)-1:0] st_bank_i,
  input  logic [15:0]          st_row_i,
  output logic [63:0]          st_data_o,
  input  logic                 wgt_we_i,
  input  logic [$clog2(F)-1:0] wgt_bank_i,
  input  logic [15:0]          wgt_row_i,
  input  logic [63:0]          wgt_data_i,
  input  logic                 par_we_i,
  input  logic [5:0]           par_slot_i,
  input  logic [7:0]           par_word_i,
  input  logic [63:0]          par_data_i,
  input  logic                 tab_we_i,
  input  logic [4:0]           tab_word_i,
  input  logic [63:0]          tab_data_i,
  output logic                 array_active_o,
  output logic                 pool_active_o,
  output logic                 channel_active_o,
  output logic                 stall_drain_o,
  output logic                 stall_fetch_o,
  output logic                 drain_busy_o,
  output logic                 busy_o,
  output logic                 requantize_o,
  output logic [7:0]           activation_reads_o,
  output logic [7:0]           activation_writes_o,
  output logic                 weight_read_o
);

  localparam logic [15:0] ComputeCycles = 16'd40;
  localparam int BankBits = $clog2(P);
  localparam int ActBits = $clog2(P * ActivationRows);
  localparam int WgtBits = $clog2(F * WeightRows);
  localparam int ParBits = $clog2(ParameterSlots * 256);

  logic [63:0] act [P*ActivationRows]      /* verilator public_flat_rd */;
  logic [63:0] wgt [F*WeightRows]          /* verilator public_flat_rd */;
  logic [63:0] par [ParameterSlots*256]    /* verilator public_flat_rd */;
  logic [63:0] tab [32]                    /* verilator public_flat_rd */;
  logic        conflicts                   /* verilator public_flat_rw */;

  initial conflicts = 1'b0;

  logic [15:0] left_q;
  logic [2:0]  phase_q;
  logic        drain;
  logic        pool_q;
  logic        channel_q;

  assign busy_o              = left_q != 16'd0;
  assign instr_ready_o       = left_q == 16'd0;
  assign done_o              = left_q == 16'd1;
  assign drain               = conflicts && phase_q == 3'd4;
  assign ld_ready_o          = {2{!drain}};
  assign st_ready_o          = !(conflicts && phase_q == 3'd1);
  assign array_active_o      = busy_o && !pool_q && !channel_q && left_q > 16'd10;
  assign pool_active_o       = busy_o && pool_q;
  assign channel_active_o    = busy_o && channel_q && left_q > 16'd10;
  assign stall_drain_o       = 1'b0;
  assign stall_fetch_o       = 1'b0;
  assign drain_busy_o        = busy_o && !pool_q && left_q <= 16'd10;
  assign requantize_o        = drain_busy_o;
  assign activation_reads_o  = {7'd0, st_valid_i && st_ready_o};
  assign activation_writes_o = 8'($countones(ld_valid_i & ld_ready_o));
  assign weight_read_o       = array_active_o;

  always_ff @(posedge clk_i) begin
    phase_q <= (phase_q == 3'd4) ? 3'd0 : phase_q + 3'd1;
    for (int i = 0; i < 2; i++) begin
      if (ld_valid_i[i] && ld_ready_o[i]) begin
        act[ActBits'({ld_row_i[16*i+:16], ld_bank_i[BankBits*i+:BankBits]})] <= ld_data_i[64*i+:64];
      end
    end
    if (st_valid_i && st_ready_o) st_data_o <= act[ActBits'({st_row_i, st_bank_i})];
    else st_data_o <= 64'hdeaddeaddeaddead;
    if (wgt_we_i) wgt[WgtBits'({wgt_row_i, wgt_bank_i})] <= wgt_data_i;
    if (par_we_i) par[ParBits'({par_slot_i, par_word_i})] <= par_data_i;
    if (tab_we_i) tab[tab_word_i] <= tab_data_i;
    if (instr_valid_i && instr_ready_o) begin
      left_q <= ComputeCycles;
      pool_q <= instr_i[1:0] == 2'd1;
      channel_q <= instr_i[1];
    end else if (left_q != 16'd0) begin
      left_q <= left_q - 16'd1;
    end
    if (rst_i) begin
      left_q  <= 16'd0;
      phase_q <= 3'd0;
    end
  end

  logic unused_bits;
  assign unused_bits = ^{instr_i[511:2], Datapath};

endmodule
