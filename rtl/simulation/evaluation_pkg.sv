// SPDX-License-Identifier: Apache-2.0
// Whether logic is there in every cycle, or only where its engine is active.
//
// The form for simulation: common/evaluation_pkg.sv is what is built.
package evaluation_pkg;
  localparam bit Always = 1'b0;
endpackage
