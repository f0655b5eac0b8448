# SPDX-License-Identifier: Apache-2.0
# A Zynq-7020 with the accelerator: registers behind GP0 at 0x43c00000, memory by HP0, interrupt IRQ_F2P[0], 100 MHz.
#   vivado -mode batch -source rtl/boards/zynq/build.tcl -tclargs FOLDER PART_OR_BOARD [CONFIGURATION] [PARAMETER=VALUE ...]
# PART_OR_BOARD: xc7z020clg484-1, or a board part such as em.avnet.com:zed:part0:1.4 (DDR and pins then come from it).
# Writes FOLDER/bitloop.bit and FOLDER/bitloop.xsa. Not tried: see README.md.
source [file join [file dirname [file normalize [info script]]] .. vivado common.tcl]

if {[llength $argv] < 2} { error "give a folder and a part or board part, and perhaps a hardware configuration" }
set folder [file normalize [lindex $argv 0]]
set target [lindex $argv 1]
set words [lrange $argv 2 end]
set parameters [hardware_parameters $words]
set clock_mhz 100

exec vivado -mode batch -source [file join $root rtl boards vivado package_ip.tcl] -tclargs [file join $folder ip] \
  {*}$words >@ stdout 2>@ stderr

if {[string match *:part* $target]} {
  set part [get_property PART_NAME [get_board_parts $target]]
  create_project -force bitloop [file join $folder project] -part $part
  set_property board_part $target [current_project]
  set preset 1
} else {
  create_project -force bitloop [file join $folder project] -part $target
  set preset 0
}
set_property ip_repo_paths [file join $folder ip] [current_project]
update_ip_catalog

create_bd_design system
set ps [create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7 ps]
apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
  -config [list make_external "FIXED_IO, DDR" apply_board_preset $preset Master Disable Slave Disable] $ps
set_property -dict [list \
  CONFIG.PCW_USE_M_AXI_GP0 1 \
  CONFIG.PCW_USE_S_AXI_HP0 1 \
  CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64 \
  CONFIG.PCW_USE_FABRIC_INTERRUPT 1 \
  CONFIG.PCW_IRQ_F2P_INTR 1 \
  CONFIG.PCW_EN_CLK0_PORT 1 \
  CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $clock_mhz] $ps

set bitloop [create_bd_cell -type ip -vlnv bitloop:user:bitloop_axi_top:1.0 bitloop]
# Each rule adds the interconnect, which turns AXI4 into the AXI3 of the processing system, and clock and reset.
apply_bd_automation -rule xilinx.com:bd_rule:axi4 \
  -config {Master /ps/M_AXI_GP0 Clk_master Auto Clk_slave Auto Clk_xbar Auto intc_ip Auto} \
  [get_bd_intf_pins bitloop/s_axi]
apply_bd_automation -rule xilinx.com:bd_rule:axi4 \
  -config {Master /bitloop/m_axi Clk_master Auto Clk_slave Auto Clk_xbar Auto intc_ip Auto} \
  [get_bd_intf_pins ps/S_AXI_HP0]
connect_bd_net [get_bd_pins bitloop/irq] [get_bd_pins ps/IRQ_F2P]

# As the device tree says (bitloop.dtsi).
assign_bd_address
set registers [get_bd_addr_segs -of_objects [get_bd_addr_spaces ps/Data] -filter {NAME =~ *bitloop*}]
set_property range 4K $registers
set_property offset 0x43C00000 $registers
validate_bd_design
save_bd_design

make_wrapper -files [get_files system.bd] -top -import
set_property top system_wrapper [current_fileset]
launch_runs impl_1 -to_step write_bitstream -jobs 4
wait_on_run impl_1
if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} { error "the implementation failed: see its log" }
open_run impl_1
report_utilization -file [file join $folder utilization.txt]
report_timing_summary -file [file join $folder timing.txt]
set slack [get_property SLACK [get_timing_paths]]
if {$slack < 0} { error "timing is missed by $slack ns at $clock_mhz MHz: lower clock_mhz, and say so to bitloopd --clock" }
file copy -force [file join $folder project bitloop.runs impl_1 system_wrapper.bit] [file join $folder bitloop.bit]
write_hw_platform -fixed -include_bit -force [file join $folder bitloop.xsa]
puts "built [dict get $parameters Fingerprint] in $folder"
