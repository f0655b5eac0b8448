# SPDX-License-Identifier: Apache-2.0
# What the scripts here share. Plain Tcl: tests/rtl/check_boards runs it without Vivado.
set root [file normalize [file join [file dirname [info script]] .. .. ..]]

# Parameters of a configuration of sim/configurations.json and the fingerprint that belongs to them, as a dictionary;
# `words`: its name and what differs, such as {default P=4}.
proc hardware_parameters {words} {
  global root
  set parameters [dict create]
  foreach line [split [exec [file join $root scripts fingerprint] --parameters {*}$words] \n] {
    lassign [split $line =] name value
    dict set parameters $name $value
  }
  return $parameters
}

# The plain-Verilog top with these values as its parameters' defaults: parameters and fingerprint belong together, so
# that nobody is to change one of them later.
proc top_with_defaults {text parameters} {
  dict for {name value} $parameters {
    if {$name eq "Fingerprint"} { set value "64'h$value" }
    set pattern "(parameter\\s+(?:\\\[\\d+:\\d+\\\]\\s+)?$name\\s*=\\s*)\[^,\\s\]+"
    if {[regsub $pattern $text "\\1$value" text] != 1} { error "bitloop_axi_top.v has no parameter $name" }
  }
  return $text
}

# Writes that top into a folder, and returns all sources, packages first: the others name them.
proc sources {folder parameters} {
  global root
  set in [open [file join $root rtl boards axi bitloop_axi_top.v]]
  set text [top_with_defaults [read $in] $parameters]
  close $in
  file mkdir $folder
  set out [open [file join $folder bitloop_axi_top.v] w]
  puts -nonewline $out $text
  close $out
  set in [open [file join $root rtl accelerator.f]]
  set files [lmap line [split [string trim [read $in]] \n] { file join $root rtl $line }]
  close $in
  return [concat $files [list [file join $folder bitloop_axi_top.v]]]
}
