# SPDX-License-Identifier: Apache-2.0
# Packages the accelerator as a Vivado IP, bitloop:user:bitloop_axi_top:1.0, of one hardware configuration:
#   vivado -mode batch -source rtl/boards/vivado/package_ip.tcl -tclargs FOLDER [CONFIGURATION] [PARAMETER=VALUE ...]
# FOLDER is then an IP repository. Not tried: see README.md.
source [file join [file dirname [file normalize [info script]]] common.tcl]

if {[llength $argv] < 1} { error "give the folder of the IP, and perhaps a hardware configuration" }
set folder [file normalize [lindex $argv 0]]
set parameters [hardware_parameters [lrange $argv 1 end]]

create_project -in_memory -part xc7z020clg484-1
add_files -norecurse [sources [file join $folder source] $parameters]
set_property top bitloop_axi_top [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $folder -vendor bitloop -library user -taxonomy /UserIP -import_files -set_current true
set core [ipx::current_core]
set_property name bitloop_axi_top $core
set_property version 1.0 $core
set_property display_name "Bitloop accelerator" $core
set_property description "Mixed-precision MAC array (1, 2, 4, 8 bits), fingerprint [dict get $parameters Fingerprint]" $core
set_property supported_families {zynq Production zynquplus Production} $core
# Parameters and fingerprint belong together: another configuration is another run of this script.
foreach name [dict keys $parameters] {
  set_property value_resolve_type immediate [ipx::get_user_parameters $name -of_objects $core]
}
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
puts "packaged [dict get $parameters Fingerprint] in $folder"
