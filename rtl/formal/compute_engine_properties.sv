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
  input logic                 ld_valid_i,
  input logic [$clog2(P)-1:0] ld_bank_i,
  input logic                 st_valid_i,
  input logic [$clog2(P)-1:0] st_bank_i
);

  logic       ld_ready;
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

  assign load_banks = (ld_valid_i && ld_ready) ? P'(1) << ld_bank_i : '0;

  always @(posedge clk_i) begin
    seen_q <= 1'b1;
    assume (seen_q || rst_i);
    if (seen_q) begin
      assert ((load_banks & \dut.write_we ) == '0);
      assert (ld_ready == !\dut.write_we [ld_bank_i]);
      assert (activation_writes == 8'($countones(load_banks)) + 8'($countones(\dut.write_we )));
    end
  end

endmodule
