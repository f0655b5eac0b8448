// SPDX-License-Identifier: Apache-2.0
// What compute_engine.sv promises of the activation banks' write ports: the load engine is refused exactly where results
// are being written, so that no bank has two writers, and `activation_writes_o` counts them. All inputs are free.
module compute_engine_properties #(
  parameter int P = 2,
  parameter int F = 4
) (
  input logic                 clk_i,
  input logic                 rst_i,
  input logic                 instr_valid_i,
  input logic [511:0]         instr_i,
  input logic [1:0]           ld_valid_i,
  input logic [2*$clog2(P)-1:0] ld_bank_i,
  input logic                 st_valid_i,
  input logic [$clog2(P)-1:0] st_bank_i
);

  localparam int BankWidth = $clog2(P);

  logic [1:0] ld_ready;
  logic [7:0] activation_writes;

  compute_engine #(
    .P             (P),
    .F             (F),
    .ActivationRows(16),
    .WeightRows    (16),
    .ParameterSlots(2),
    .Datapath      (1'b0)
  ) dut (
    .clk_i,
    .rst_i,
    .instr_valid_i,
    .instr_i,
    .ld_valid_i,
    .ld_ready_o         (ld_ready),
    .ld_bank_i,
    .st_valid_i,
    .st_bank_i,
    .activation_writes_o(activation_writes)
  );

  (* hierconn *) wire [P-1:0] \dut.write_we ;

  logic         seen_q = 1'b0;
  logic [P-1:0] load_banks;

  assign load_banks = (P'(ld_valid_i[0] && ld_ready[0]) << ld_bank_i[BankWidth-1:0]) |
                      (P'(ld_valid_i[1] && ld_ready[1]) << ld_bank_i[2*BankWidth-1:BankWidth]);

  always @(posedge clk_i) begin
    seen_q <= 1'b1;
    assume (seen_q || rst_i);
    assume (!ld_bank_i[0] && ld_bank_i[BankWidth]);  // a port for the even and one for the odd banks
    if (seen_q) begin
      assert ((load_banks & \dut.write_we ) == '0);
      for (int i = 0; i < 2; i++) assert (ld_ready[i] == !\dut.write_we [ld_bank_i[BankWidth*i+:BankWidth]]);
      assert (activation_writes == 8'($countones(load_banks)) + 8'($countones(\dut.write_we )));
    end
  end

endmodule
