// SPDX-License-Identifier: Apache-2.0
// Entry buffer between the activation banks and the array: steers the banks' words to lanes, forms padding words,
// and holds whole entries of P words. Data only; window_fetch.sv controls it.
module activation_buffer #(
  parameter int P          = 8,
  parameter int Entries    = 4,
  localparam int BankWidth  = $clog2(P),
  localparam int EntryWidth = $clog2(Entries)
) (
  input  logic                   clk_i,
  input  logic                   rst_i,         // for assertions
  input  logic [P*64-1:0]        bank_data_i,
  input  logic [P-1:0]           lane_we_i,
  input  logic [P-1:0]           lane_pad_i,
  input  logic [P*BankWidth-1:0] lane_bank_i,
  input  logic [EntryWidth-1:0]  fill_i,
  input  logic                   one_half_i,
  input  logic                   upper_half_i,
  input  logic [1:0]             pair_i,
  input  logic                   last_block_i,
  input  logic [7:0]             zero_code_i,
  input  logic [6:0]             tail_i,
  input  logic                   pop_i,
  input  logic [EntryWidth-1:0]  entry_i,
  output logic [P*64-1:0]        words_o  // the popped entry, from the next cycle on
);
  logic [63:0] entries_q[Entries*P];
  logic [63:0] bank[P];

  for (genvar p = 0; p < P; p++) begin : g_lane
    assign bank[p] = bank_data_i[64*p+:64];
  end

  // a padding word: the zero code in all channels of the block
  function automatic logic [63:0] pad(input logic [7:0] code, input logic [1:0] pair, input logic last,
                                      input logic [6:0] tail);
    logic [31:0] mask;
    mask = (last && tail < 7'd32) ? (32'd1 << tail[4:0]) - 32'd1 : 32'hffff_ffff;
    pad = {{32{code[{pair, 1'b1}]}} & mask, {32{code[{pair, 1'b0}]}} & mask};
  endfunction

  function automatic logic [63:0] half(input logic [63:0] word, input logic one, input logic upper);
    half = !one ? word : upper ? {2{word[63:32]}} : {2{word[31:0]}};
  endfunction

  always_ff @(posedge clk_i) begin
    if (lane_we_i != '0) begin
      for (int p = 0; p < P; p++) begin
        if (lane_we_i[p]) begin
          entries_q[{fill_i, BankWidth'(p)}] <=
              lane_pad_i[p] ? pad(zero_code_i, pair_i, last_block_i, tail_i)
                            : half(bank[lane_bank_i[p*BankWidth+:BankWidth]], one_half_i, upper_half_i);
        end
      end
    end
    if (pop_i) begin
      for (int p = 0; p < P; p++) words_o[64*p+:64] <= entries_q[{entry_i, BankWidth'(p)}];
    end
  end

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) assert ((pop_i && lane_we_i != '0 && fill_i == entry_i) !== 1'b1) else $error("popped while it is filled");
  end
`endif
endmodule
