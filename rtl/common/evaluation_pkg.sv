// SPDX-License-Identifier: Apache-2.0
// Whether logic is there in every cycle, or only where its engine is active. What is built has it always; a simulator need
// not evaluate what changes nothing: `if (evaluation_pkg::Always || active)` around it, never around what may change.
package evaluation_pkg;
  localparam bit Always = 1'b1;
endpackage
