// SPDX-License-Identifier: Apache-2.0
// How a ring of positions lies in the activation SRAM, for everything that reads or writes it (docs/accelerator.md).
package ring_pkg;

  // `start` moved on by `step`, both within the ring.
  function automatic logic [15:0] wrapped(input logic [15:0] start, input logic [15:0] step, input logic [15:0] ring);
    logic [16:0] sum;
    sum = {1'b0, start} + {1'b0, step};
    wrapped = (sum >= {1'b0, ring}) ? 16'(sum - {1'b0, ring}) : sum[15:0];
  endfunction

  // The bank of a position, of 2^width banks; its row is position / 2^width. Any 2^width positions that follow each other
  // lie in different banks; in a ring that is *spread*, those from a multiple of 2^width on, and any 2^width positions that
  // are two apart.
  function automatic logic [15:0] bank(input logic [15:0] position, input int width, input logic spread);
    logic [15:0] low, turn;
    low  = position & 16'((1 << width) - 1);
    turn = (position ^ (position >> width)) & 16'd1;
    bank = spread ? (low >> 1) | (turn << (width - 1)) : low;
  endfunction

endpackage
