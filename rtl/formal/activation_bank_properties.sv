// SPDX-License-Identifier: Apache-2.0
// What activation_bank.sv promises of its two writers: a result changes the granules of its mask in its row and nothing
// else, a load the whole word; a result goes first. Any one row is followed; all inputs are free.
module activation_bank_properties (
  input logic        clk_i,
  input logic        re_i,
  input logic [2:0]  raddr_i,
  input logic        we_i,
  input logic [3:0]  wmask_i,
  input logic [2:0]  waddr_i,
  input logic [15:0] wdata_i,
  input logic        load_i,
  input logic [2:0]  load_addr_i,
  input logic [15:0] load_data_i
);

  logic [15:0] rdata;

  activation_bank #(
    .Width  (16),
    .Depth  (8),
    .Granule(4)
  ) dut (
    .clk_i,
    .re_i,
    .raddr_i,
    .rdata_o(rdata),
    .we_i,
    .wmask_i,
    .waddr_i,
    .wdata_i,
    .load_i,
    .load_addr_i,
    .load_data_i
  );

  (* anyconst *) logic [2:0] row;
  wire [127:0] stored;
  (* hierconn *) wire [15:0] \dut.mem[0] ;
  (* hierconn *) wire [15:0] \dut.mem[1] ;
  (* hierconn *) wire [15:0] \dut.mem[2] ;
  (* hierconn *) wire [15:0] \dut.mem[3] ;
  (* hierconn *) wire [15:0] \dut.mem[4] ;
  (* hierconn *) wire [15:0] \dut.mem[5] ;
  (* hierconn *) wire [15:0] \dut.mem[6] ;
  (* hierconn *) wire [15:0] \dut.mem[7] ;
  assign stored = {\dut.mem[7] , \dut.mem[6] , \dut.mem[5] , \dut.mem[4] , \dut.mem[3] , \dut.mem[2] , \dut.mem[1] ,
                   \dut.mem[0] };

  logic        known_q = 1'b0;  // the row's word
  logic [15:0] word_q;
  logic        read_q = 1'b0;   // the word read last is that of the row
  logic [15:0] read_word_q;

  always @(posedge clk_i) begin
    if (we_i) begin
      if (waddr_i == row) begin
        for (int i = 0; i < 4; i++) if (wmask_i[i]) word_q[4*i+:4] <= wdata_i[4*i+:4];
        if (wmask_i == 4'hf) known_q <= 1'b1;
      end
    end else if (load_i && load_addr_i == row) begin
      word_q  <= load_data_i;
      known_q <= 1'b1;
    end
    if (re_i) begin
      read_q      <= known_q && raddr_i == row;
      read_word_q <= word_q;
    end
    if (known_q) assert (stored[16*row+:16] == word_q);
    if (read_q) assert (rdata == read_word_q);
  end

endmodule
