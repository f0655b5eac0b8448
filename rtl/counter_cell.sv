// One counter of `counters`: the running count of a segment, and its shadow, a stage of the shift register by which
// all are read. `copy_i` takes the count (of the cycles before this one) to the shadow; `restart_i` begins a new count
// with this cycle's amount.
module counter_cell (
  input  logic        clk_i,
  input  logic        event_i,
  input  logic [31:0] amount_i,   // per event
  input  logic        restart_i,
  input  logic        copy_i,
  input  logic        shift_i,
  input  logic [47:0] shadow_i,
  output logic [47:0] shadow_o
);

  logic [47:0] count_q;

  always_ff @(posedge clk_i) begin
    if (restart_i) count_q <= event_i ? {16'd0, amount_i} : 48'd0;
    else if (event_i) count_q <= count_q + {16'd0, amount_i};
    if (copy_i) shadow_o <= count_q;
    else if (shift_i) shadow_o <= shadow_i;
  end

endmodule
