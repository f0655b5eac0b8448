// Decides whether an instruction descriptor is legal while it passes by, one 64-bit word per `valid_i`, in order.
// `illegal_o` answers for all words of the descriptor up to the one in the cycle before. Checked is what would hang an
// engine or reach outside its state: opcodes, zero counts, width codes, limits. Addresses in SRAM and order are the
// compiler's business.
module descriptor_check #(
  parameter int P              = 8,
  parameter int F              = 16,
  parameter int ParameterSlots = 64
) (
  input  logic        clk_i,
  input  logic        valid_i,
  input  logic [2:0]  index_i,
  input  logic [63:0] word_i,
  output logic        to_load_o,     // the engine that the last word 0 named; none if the opcode is unknown
  output logic        to_compute_o,
  output logic        to_store_o,
  output logic        illegal_o
);

  localparam int FilterWidth = $clog2(F);

  localparam logic [7:0] OpLoadAct = 8'h01;
  localparam logic [7:0] OpPack    = 8'h05;
  localparam logic [7:0] OpLoadTable = 8'h06;
  localparam logic [7:0] OpConv    = 8'h10;
  localparam logic [7:0] OpMaxPool = 8'h11;
  localparam logic [7:0] OpDepthwise = 8'h12;
  localparam logic [7:0] OpAdd     = 8'h13;
  localparam logic [7:0] OpStore   = 8'h20;

  logic rows_q;   // LOAD_ACT, STORE: moves rows of a tensor
  logic run_q;    // LOAD_WEIGHT, LOAD_PARAM, LOAD_IMAGE, LOAD_TABLE: moves one run of words
  logic pack_q;
  logic conv_q;
  logic pool_q;
  logic depthwise_q;
  logic add_q;
  logic compute;  // any of these
  logic [5:0] more_slots_q;  // parameter slots beyond the first
  logic many_q;   // more output positions than one tile

  assign compute = conv_q || pool_q || depthwise_q || add_q;

  // PACK, word 1: channels, columns, rows in bits 39:32, 47:40, 55:48.
  function automatic logic pack_shape_okay(input logic [7:0] channels, input logic [7:0] columns,
                                           input logic [7:0] rows);
    pack_shape_okay = channels != 8'd0 && channels <= 8'd4 && columns != 8'd0 && columns <= 8'd24 &&
                      rows != 8'd0 && rows <= 8'd32 &&
                      {8'd0, channels} * {8'd0, columns} <= 16'd24 &&
                      {8'd0, channels} * {8'd0, columns} * {8'd0, rows} <= 16'd32;
  endfunction

  // CONV and MAX_POOL, word 6: channels of the last block.
  function automatic logic channels_okay(input logic [7:0] channels, input logic binary);
    channels_okay = channels != 8'd0 && channels <= (binary ? 8'd64 : 8'd32);
  endfunction

  // DEPTHWISE and ADD, word 6: `more_channels` is the channels less one.
  function automatic logic channelwise_okay(input logic [2:0] out_code, input logic [7:0] channels,
                                            input logic [5:0] more_channels, input logic [15:0] operands,
                                            input logic add, input logic leaky);
    channelwise_okay = F >= 4 && out_code <= 3'd3 && channels != 8'd0 && channels <= 8'd32 &&
                       {2'd0, more_channels} == channels - 8'd1 &&
                       (operands == 16'd1 || (add && operands == 16'd2)) && !(add && leaky);
  endfunction

  // Parameter slots of a group of filters, or of a block's groups of channels, less one.
  function automatic logic [5:0] more_slots(input logic [4:0] more_channels, input logic two_sets);
    more_slots = ({1'b0, more_channels} >> FilterWidth) << two_sets | {5'd0, two_sets};
  endfunction

  function automatic logic illegal(input logic [2:0] index, input logic [63:0] word);
    illegal = 1'b0;
    case (index)
      3'd0: illegal = !((word[7:0] >= OpLoadAct && word[7:0] <= OpLoadTable) ||
                        (word[7:0] >= OpConv && word[7:0] <= OpAdd) || word[7:0] == OpStore);
      3'd1: begin
        if ((rows_q || run_q) && word[2:0] != 3'd0) illegal = 1'b1;
        if (rows_q && word[34:32] != 3'd0) illegal = 1'b1;
        if (pack_q && (word[15:0] == 16'd0 || word[31:16] == 16'd0 ||
                       !pack_shape_okay(word[39:32], word[47:40], word[55:48]))) illegal = 1'b1;
        if (compute && (word[39:32] == 8'd0 || word[47:40] == 8'd0 || word[51:48] == 4'd0 ||
                                   word[55:52] == 4'd0)) illegal = 1'b1;
      end
      3'd2: begin
        if ((rows_q || run_q || pack_q) && word[15:0] == 16'd0) illegal = 1'b1;
        if ((rows_q || pack_q) && word[31:16] == 16'd0) illegal = 1'b1;
        // no more than 4095 words per position: a repeated row's words must fit 32 bits
        if (rows_q && (word[47:32] == 16'd0 || word[47:44] != 4'd0)) illegal = 1'b1;
        if (run_q && word[31:16] != 16'd0) illegal = 1'b1;
        if (compute && word[63:48] == 16'd0) illegal = 1'b1;
      end
      3'd3: illegal = compute && word[23:0] == 24'd0;
      3'd6: begin
        if (conv_q && !channels_okay(word[31:24], word[3:0] == 4'd0)) illegal = 1'b1;
        if (pool_q && !channels_okay(word[31:24], word[1:0] == 2'd0)) illegal = 1'b1;
        if ((depthwise_q || add_q) && !channelwise_okay(word[6:4], word[31:24], word[53:48], word[47:32],
                                                         add_q, word[7])) illegal = 1'b1;
        if (compute && word[47:32] == 16'd0) illegal = 1'b1;
        // 1-bit codes are unsigned: their zero code is 0, and padding words are made for no other
        if (compute && word[1:0] == 2'd0 && word[23:16] != 8'd0) illegal = 1'b1;
        if (conv_q && (word[6:4] == 3'd4 || word[6:4] > 3'd5)) illegal = 1'b1;
        if (conv_q && many_q && word[9:8] != 2'b11) illegal = 1'b1;
        if (conv_q && word[11] && word[6:4] > 3'd3) illegal = 1'b1;  // a table's codes have at most 8 bits
        if (conv_q && {1'b0, word[53:48]} >= 7'(F)) illegal = 1'b1;
      end
      3'd7: illegal = compute && !pool_q && {1'b0, word[21:16]} + {1'b0, more_slots_q} >= 7'(ParameterSlots);
      default: illegal = 1'b0;
    endcase
  endfunction

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      illegal_o <= illegal(index_i, word_i) || (illegal_o && index_i != 3'd0);
      if (index_i == 3'd0) begin
        rows_q       <= word_i[7:0] == OpLoadAct || word_i[7:0] == OpStore;
        run_q        <= (word_i[7:0] > OpLoadAct && word_i[7:0] < OpPack) || word_i[7:0] == OpLoadTable;
        pack_q       <= word_i[7:0] == OpPack;
        conv_q       <= word_i[7:0] == OpConv;
        pool_q       <= word_i[7:0] == OpMaxPool;
        depthwise_q  <= word_i[7:0] == OpDepthwise;
        add_q        <= word_i[7:0] == OpAdd;
        to_load_o    <= word_i[7:0] >= OpLoadAct && word_i[7:0] <= OpLoadTable;
        to_compute_o <= word_i[7:0] >= OpConv && word_i[7:0] <= OpAdd;
        to_store_o   <= word_i[7:0] == OpStore;
      end
      if (index_i == 3'd6) more_slots_q <= more_slots(conv_q ? 5'd0 : word_i[52:48], add_q ? word_i[33] : word_i[7]);
      if (index_i == 3'd3) many_q <= word_i[23:0] > 24'(P);
    end
  end

endmodule
