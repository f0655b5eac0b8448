// SPDX-License-Identifier: Apache-2.0
// What load_engine.sv promises of its activation port, which it shares between words from memory and the image packer:
// never both at once, and no word from memory for it is taken while the packer has the port. Queue, requests, walker
// and data are cut out, so that instructions come, words arrive and instructions of other kinds end whenever they like.
// Assumed: PACK has rows and columns (descriptor_check.sv).
module load_engine_properties (
  input logic clk_i,
  input logic rst_i,
  input logic word_valid_i,
  input logic [1:0] act_ready_i
);

  logic       word_ready;
  logic [1:0] act_valid;

  load_engine #(
    .P           (2),
    .F           (4),
    .StagingWords(16),
    .Datapath    (1'b0)
  ) dut (
    .clk_i,
    .rst_i,
    .word_valid_i,
    .word_ready_o(word_ready),
    .act_valid_o (act_valid),
    .act_ready_i
  );

  (* hierconn *) wire [2:0]   \dut.opcode ;
  (* hierconn *) wire [319:0] \dut.instr ;
  (* hierconn *) wire         \dut.row_valid ;
  (* hierconn *) wire         \dut.row_bank ;
  (* hierconn *) wire [1:0]   \dut.pack_valid ;
  (* hierconn *) wire [1:0]   \dut.pack_bank ;
  (* hierconn *) wire         \dut.u_write.active_q ;
  (* hierconn *) wire         \dut.u_write.act_q ;
  (* hierconn *) wire         \dut.u_write.packing_q ;
  (* hierconn *) wire         \dut.u_packer.u_ctrl.gather_q ;
  (* hierconn *) wire [15:0]  \dut.u_packer.u_ctrl.rows_left_q ;
  (* hierconn *) wire [15:0]  \dut.u_packer.u_ctrl.columns_left_q ;
  (* hierconn *) wire [15:0]  \dut.u_packer.u_ctrl.packed_width_q ;
  (* hierconn *) wire         \dut.u_packer.u_ctrl.align_q ;
  (* hierconn *) wire         \dut.u_packer.u_ctrl.align_last_q ;
  (* hierconn *) wire         \dut.u_packer.u_ctrl.place_q ;
  (* hierconn *) wire         \dut.u_packer.u_ctrl.place_last_q ;
  (* hierconn *) wire         \dut.u_packer.u_ctrl.full_q ;
  (* hierconn *) wire [1:0]   \dut.u_packer.u_ctrl.emit_q ;
  (* hierconn *) wire [15:0]  \dut.u_packer.u_ctrl.emit_rows_q ;
  (* hierconn *) wire         \dut.u_packer.u_ctrl.all_q ;
  (* hierconn *) wire [15:0]  \dut.u_packer.u_ctrl.emit_columns_q ;

  logic        seen_q = 1'b0;
  logic        packing;     // a PACK is under way
  logic        chunks;      // the packer holds something
  logic [2:0]  in_flight;   // whole positions between gather's counters and those of emit
  logic        enough;      // emit's counters have as many left
  logic [15:0] rows, columns;

  assign packing   = \dut.u_write.packing_q ;
  assign chunks    = \dut.u_packer.u_ctrl.gather_q || \dut.u_packer.u_ctrl.align_q || \dut.u_packer.u_ctrl.place_q ||
                     \dut.u_packer.u_ctrl.full_q || \dut.u_packer.u_ctrl.emit_q != 2'd0;
  assign in_flight = {2'd0, \dut.u_packer.u_ctrl.align_q && \dut.u_packer.u_ctrl.align_last_q } +
                     {2'd0, \dut.u_packer.u_ctrl.place_q && \dut.u_packer.u_ctrl.place_last_q } +
                     {2'd0, \dut.u_packer.u_ctrl.full_q };

  // Emit's counters, as many positions on.
  always_comb begin
    rows    = \dut.u_packer.u_ctrl.emit_rows_q ;
    columns = \dut.u_packer.u_ctrl.emit_columns_q ;
    enough  = 1'b1;
    for (int i = 0; i < 3; i++) begin
      if (3'(i) < in_flight) begin
        if (rows == 16'd0) enough = 1'b0;
        if (columns == 16'd1) begin
          rows    = rows - 16'd1;
          columns = \dut.u_packer.u_ctrl.packed_width_q ;
        end else begin
          columns = columns - 16'd1;
        end
      end
    end
  end

  always @(posedge clk_i) begin
    seen_q <= 1'b1;
    assume (seen_q || rst_i);
    assume (\dut.opcode != 3'd5 || (\dut.instr [79:64] != 16'd0 && \dut.instr [95:80] != 16'd0));
    if (seen_q) begin
      assert (!(\dut.row_valid && \dut.pack_valid != 2'd0));
      assert (act_valid == (\dut.row_valid ? 2'b01 << \dut.row_bank : \dut.pack_valid ));
      assert (!(word_ready && \dut.u_write.act_q && \dut.pack_valid != 2'd0));
      for (int i = 0; i < 2; i++) if (\dut.pack_valid [i]) assert (\dut.pack_bank [i] == 1'(i));
      // Induction: the packer holds nothing outside a PACK; within it, both ends count the same positions.
      if (\dut.u_write.act_q ) assert (\dut.u_write.active_q && !packing);
      if (!packing) assert (!chunks);
      if (packing) begin
        assert (\dut.u_packer.u_ctrl.all_q == (\dut.u_packer.u_ctrl.emit_rows_q == 16'd0));
        assert (!\dut.u_packer.u_ctrl.all_q || \dut.u_packer.u_ctrl.emit_q != 2'd0);
        assert (enough && rows == \dut.u_packer.u_ctrl.rows_left_q && columns == \dut.u_packer.u_ctrl.columns_left_q );
        assert (\dut.u_packer.u_ctrl.gather_q == (\dut.u_packer.u_ctrl.rows_left_q != 16'd0));
        // The rest of a position follows its first chunks.
        if (\dut.u_packer.u_ctrl.align_q && !\dut.u_packer.u_ctrl.align_last_q )
          assert (\dut.u_packer.u_ctrl.gather_q );
        if (\dut.u_packer.u_ctrl.place_q && !\dut.u_packer.u_ctrl.place_last_q )
          assert (\dut.u_packer.u_ctrl.align_q || \dut.u_packer.u_ctrl.gather_q );
      end
    end
  end

endmodule
