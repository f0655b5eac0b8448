// SPDX-License-Identifier: Apache-2.0
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

  // The present pair of words, at every place: a field of it is where it always is.
  logic [511:0] descriptor;
  assign descriptor = {8{word_i}};

  logic rows_q;   // LOAD_ACT, STORE: moves rows of a tensor
  logic run_q;    // LOAD_WEIGHT, LOAD_PARAM, LOAD_IMAGE, LOAD_TABLE: moves one run of words
  logic pack_q;
  logic conv_q;
  logic pool_q;
  logic depthwise_q;
  logic add_q;
  logic compute;  // any of these
  logic one_bit;  // activations
  logic [2:0] out_code;
  logic [5:0] more_slots_q;  // parameter slots beyond the first
  logic many_q;   // more output positions than one tile

  assign one_bit  = descriptor[descriptor_pkg::InputBitsLog2+:2] == 2'd0;
  assign out_code = descriptor[descriptor_pkg::OutputBitsLog2+:3];
  assign compute = conv_q || pool_q || depthwise_q || add_q;

  // PACK.
  function automatic logic pack_shape_okay(input logic [7:0] channels, input logic [7:0] columns,
                                           input logic [7:0] rows);
    pack_shape_okay = channels != 8'd0 && channels <= 8'd4 && columns != 8'd0 && columns <= 8'd24 &&
                      rows != 8'd0 && rows <= 8'd32 &&
                      {8'd0, channels} * {8'd0, columns} <= 16'd24 &&
                      {8'd0, channels} * {8'd0, columns} * {8'd0, rows} <= 16'd32;
  endfunction

  // CONV and MAX_POOL.
  function automatic logic channels_okay(input logic [7:0] channels, input logic binary);
    channels_okay = channels != 8'd0 && channels <= (binary ? 8'd64 : 8'd32);
  endfunction

  // DEPTHWISE and ADD: `more_channels` is the channels less one.
  function automatic logic channelwise_okay(input logic [2:0] code, input logic [7:0] channels,
                                            input logic [5:0] more_channels, input logic [15:0] operands,
                                            input logic add, input logic leaky);
    channelwise_okay = F >= 4 && code <= 3'd3 && channels != 8'd0 && channels <= 8'd32 &&
                       {2'd0, more_channels} == channels - 8'd1 &&
                       (operands == 16'd1 || (add && operands == 16'd2)) && !(add && leaky);
  endfunction

  // Parameter slots of a group of filters, or of a block's groups of channels, less one.
  function automatic logic [5:0] more_slots(input logic [5:0] more_channels, input logic two_sets);
    more_slots = (more_channels >> FilterWidth) << two_sets | {5'd0, two_sets};
  endfunction

  // Opcodes of an engine follow each other.
  logic [7:0] opcode;
  logic       to_load, to_compute, to_store;
  assign opcode = descriptor[descriptor_pkg::Opcode+:8];
  always_comb begin
    to_load    = 1'b0;
    to_compute = 1'b0;
    to_store   = 1'b0;
    if (evaluation_pkg::Always || valid_i) begin
      to_load    = opcode >= descriptor_pkg::OpLoadAct && opcode <= descriptor_pkg::OpLoadTable;
      to_compute = opcode >= descriptor_pkg::OpConv && opcode <= descriptor_pkg::OpAdd;
      to_store   = opcode == descriptor_pkg::OpStore;
    end
  end

  // By this pair of words.
  function automatic logic refused(input logic [2:0] index, input logic [511:0] d);
    refused = 1'b0;
    case (index)
      3'd0: refused = !to_load && !to_compute && !to_store;
      3'd1: begin
        if ((rows_q || run_q) && d[descriptor_pkg::TransferOffset+:32] % 8 != 32'd0) refused = 1'b1;
        if (rows_q && d[descriptor_pkg::TransferRowBytes+:32] % 8 != 32'd0) refused = 1'b1;
        if (pack_q && (d[descriptor_pkg::PackImageHeight+:16] == 16'd0 ||
                       d[descriptor_pkg::PackImageWidth+:16] == 16'd0 ||
                       !pack_shape_okay(d[descriptor_pkg::PackChannels+:8], d[descriptor_pkg::PackColumns+:8],
                                        d[descriptor_pkg::PackRows+:8]))) refused = 1'b1;
        if (compute && (d[descriptor_pkg::KernelHeight+:8] == 8'd0 || d[descriptor_pkg::KernelWidth+:8] == 8'd0 ||
                        d[descriptor_pkg::StrideY+:4] == 4'd0 || d[descriptor_pkg::StrideX+:4] == 4'd0)) refused = 1'b1;
      end
      3'd2: begin
        // rows of LOAD_ACT, STORE and PACK, and the length of a run, are at one place, as are widths
        if ((rows_q || run_q || pack_q) && d[descriptor_pkg::RunWords+:16] == 16'd0) refused = 1'b1;
        if ((rows_q || pack_q) && d[descriptor_pkg::TransferWidth+:16] == 16'd0) refused = 1'b1;
        if (run_q && d[descriptor_pkg::TransferWidth+:16] != 16'd0) refused = 1'b1;
        // a repeated row's words must fit 32 bits
        if (rows_q && d[descriptor_pkg::TransferWords+:12] == 12'd0) refused = 1'b1;
        if (compute && d[descriptor_pkg::OutputWidth+:16] == 16'd0) refused = 1'b1;
      end
      3'd3: refused = compute && d[descriptor_pkg::Positions+:24] == 24'd0;
      3'd6: begin
        if (conv_q && !channels_okay(d[descriptor_pkg::LastBlockChannels+:8],
                                     one_bit && d[descriptor_pkg::ConvWeightBitsLog2+:2] == 2'd0)) refused = 1'b1;
        if (pool_q && !channels_okay(d[descriptor_pkg::LastBlockChannels+:8], one_bit)) refused = 1'b1;
        if (pool_q && d[descriptor_pkg::OutputSpread]) refused = 1'b1;  // its lanes write to their own banks
        if ((depthwise_q || add_q)
            && !channelwise_okay(out_code, d[descriptor_pkg::LastBlockChannels+:8], d[descriptor_pkg::ResultLanes+:6],
                                 d[descriptor_pkg::Blocks+:16], add_q, d[descriptor_pkg::Leaky])) refused = 1'b1;
        if (compute && d[descriptor_pkg::Blocks+:16] == 16'd0) refused = 1'b1;
        // 1-bit codes are unsigned: their zero code is 0, and padding words are made for no other
        if (compute && one_bit && d[descriptor_pkg::ZeroCode+:8] != 8'd0) refused = 1'b1;
        if (conv_q && (out_code == 3'd4 || out_code > 3'd5)) refused = 1'b1;
        if (conv_q && many_q && !(d[descriptor_pkg::ConvClear] && d[descriptor_pkg::ConvDrain])) refused = 1'b1;
        if (conv_q && d[descriptor_pkg::Table] && out_code > 3'd3) refused = 1'b1;  // its codes have at most 8 bits
        if (conv_q && {1'b0, d[descriptor_pkg::ResultLanes+:6]} >= 7'(F)) refused = 1'b1;
      end
      3'd7: begin
        refused = compute && !pool_q
                  && {1'b0, d[descriptor_pkg::ParameterSlot+:6]} + {1'b0, more_slots_q} >= 7'(ParameterSlots);
      end
      default: refused = 1'b0;
    endcase
  endfunction

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      illegal_o <= refused(index_i, descriptor) || (illegal_o && index_i != 3'd0);
      if (index_i == 3'd0) begin
        rows_q       <= opcode == descriptor_pkg::OpLoadAct || to_store;
        run_q        <= to_load && opcode != descriptor_pkg::OpLoadAct && opcode != descriptor_pkg::OpPack;
        pack_q       <= opcode == descriptor_pkg::OpPack;
        conv_q       <= opcode == descriptor_pkg::OpConv;
        pool_q       <= opcode == descriptor_pkg::OpMaxPool;
        depthwise_q  <= opcode == descriptor_pkg::OpDepthwise;
        add_q        <= opcode == descriptor_pkg::OpAdd;
        to_load_o    <= to_load;
        to_compute_o <= to_compute;
        to_store_o   <= to_store;
      end
      if (index_i == 3'd3) many_q <= descriptor[descriptor_pkg::Positions+:24] > 24'(P);
      if (index_i == 3'd6) begin
        more_slots_q <= more_slots(conv_q ? 6'd0 : descriptor[descriptor_pkg::ResultLanes+:6],
                                   add_q ? descriptor[descriptor_pkg::AddOperands+:16] == 16'd2
                                         : descriptor[descriptor_pkg::Leaky]);
      end
    end
  end

endmodule
