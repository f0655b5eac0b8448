// SPDX-License-Identifier: Apache-2.0
// What window_fetch.sv promises of the activation banks' read ports: a bank serves one reader per cycle, lanes before the
// store engine but the store engine after at most StoreWait refusals; whoever is served has its own row on the port; a
// lane that waits is served as soon as its bank is free; `reads_o` counts those served. All inputs are free.
module window_fetch_properties #(
  parameter int P = 2
) (
  input logic                 clk_i,
  input logic                 rst_i,
  input logic                 tile_valid_i,
  input logic                 tile_room_i,
  input logic [511:0]         instr_i,
  input logic                 first_i,
  input logic                 hold_i,
  input logic [P-1:0]         valid_i,
  input logic [P*16-1:0]      row_i,
  input logic [P*16-1:0]      start_i,
  input logic [15:0]          row2_i,
  input logic [P*16-1:0]      iy_i,
  input logic [P*16-1:0]      ix_i,
  input logic                 st_valid_i,
  input logic [$clog2(P)-1:0] st_bank_i,
  input logic [15:0]          st_row_i,
  input logic                 entry_pop_i
);

  localparam int BankWidth = $clog2(P);
  localparam int StoreWait = 3;

  logic            st_ready;
  logic [P-1:0]    bank_re;
  logic [P*16-1:0] bank_row;
  logic [7:0]      reads;

  window_fetch #(
    .P        (P),
    .StoreWait(StoreWait)
  ) dut (
    .clk_i,
    .rst_i,
    .tile_valid_i,
    .tile_room_i,
    .instr_i,
    .first_i,
    .hold_i,
    .valid_i,
    .row_i,
    .start_i,
    .row2_i,
    .iy_i,
    .ix_i,
    .bank_re_o (bank_re),
    .bank_row_o(bank_row),
    .st_valid_i,
    .st_ready_o(st_ready),
    .st_bank_i,
    .st_row_i,
    .entry_pop_i,
    .reads_o   (reads)
  );

  (* hierconn *) wire [P-1:0]           \dut.grant ;
  (* hierconn *) wire                   \dut.req_valid_q ;
  (* hierconn *) wire [P*BankWidth-1:0] \dut.req_bank_q ;
  (* hierconn *) wire [P*P-1:0]         \dut.req_waiting_q ;
  (* hierconn *) wire [P*16-1:0]        \dut.req_position_q ;
  (* hierconn *) wire [15:0]            \dut.req_word_q ;
  (* hierconn *) wire [1:0]             \dut.refused_q ;

  logic       seen_q = 1'b0;
  logic [2:0] refusals_q;
  logic [7:0] served;

  // Of each bank: how many readers it serves, and how many lanes want it.
  logic [3:0] readers [P];
  logic [3:0] wanted [P];

  always @* begin
    served = {7'd0, st_valid_i && st_ready};
    for (int b = 0; b < P; b++) begin
      readers[b] = {3'd0, st_valid_i && st_ready && st_bank_i == BankWidth'(b)};
      wanted[b]  = 4'd0;
      for (int p = 0; p < P; p++) begin
        if (\dut.req_bank_q [BankWidth*p+:BankWidth] == BankWidth'(b)) begin
          readers[b] = readers[b] + {3'd0, \dut.grant [p]};
          wanted[b]  = wanted[b] + {3'd0, \dut.req_waiting_q [P*b+p]};
        end
      end
    end
    for (int p = 0; p < P; p++) served = served + {7'd0, \dut.grant [p]};
  end

  always @(posedge clk_i) begin
    seen_q     <= 1'b1;
    refusals_q <= (st_valid_i && !st_ready) ? refusals_q + 3'd1 : 3'd0;
    if (rst_i) refusals_q <= 3'd0;
    assume (seen_q || rst_i);
    if (seen_q) begin
      assert (refusals_q <= 3'(StoreWait) && refusals_q == {1'b0, \dut.refused_q });
      assert (reads == served);
      for (int b = 0; b < P; b++) begin
        assert (readers[b] <= 4'd1);
        // No bank stands still while somebody wants it.
        if (wanted[b] != 4'd0) assert (readers[b] == 4'd1);
        if (readers[b] != 4'd0) assert (bank_re[b]);
      end
      if (st_valid_i && wanted[st_bank_i] == 4'd0) assert (st_ready);
      if (st_valid_i && st_ready) assert (bank_row[16*st_bank_i+:16] == st_row_i);
      for (int p = 0; p < P; p++) begin
        if (\dut.grant [p]) begin
          assert (\dut.req_waiting_q [P*\dut.req_bank_q [BankWidth*p+:BankWidth]+p]);
          assert (bank_row[16*\dut.req_bank_q [BankWidth*p+:BankWidth]+:16] ==
                  16'(\dut.req_word_q + (\dut.req_position_q [16*p+:16] >> BankWidth)));
        end
        // A lane waits for its own bank.
        for (int b = 0; b < P; b++) begin
          if (\dut.req_waiting_q [P*b+p]) begin
            assert (\dut.req_valid_q && \dut.req_bank_q [BankWidth*p+:BankWidth] == BankWidth'(b));
          end
        end
      end
    end
  end

endmodule
