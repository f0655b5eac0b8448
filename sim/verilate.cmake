# Script (cmake -P): turns the RTL into C++ for one hardware configuration.
#   VERILATOR, RTL (folder), PREFIX (class), PARAMETERS ("P=8|F=16|..."), OUT (folder); AS_BUILT: not of the forms for speed
# Writes OUT/PREFIX.h, OUT/PREFIX_phases.h, OUT/PREFIX_sources.h, and the generated sources gathered in OUT/fast.cpp (runs every cycle) and OUT/slow.cpp.
# Fingerprint: the first 64 bits of the SHA-256 over all sources that are built, sorted by name, and all parameters except Datapath.
# PREFIX_sources.h says what the model was made from: the same over all sources, forms for speed last, without parameters.
include("${CMAKE_CURRENT_LIST_DIR}/../cmake/rtl_sources.cmake")
rtl_sources(built "${RTL}")
if(AS_BUILT)
  set(sources ${built})
else()
  simulated_sources(sources "${RTL}")
endif()
string(REPLACE "|" ";" parameters "${PARAMETERS}")
set(text "")
set(by_name ${built})
list(SORT by_name COMPARE FILE_BASENAME)
foreach(source IN LISTS by_name)
  get_filename_component(name "${source}" NAME)
  file(SHA256 "${source}" hash)
  string(APPEND text "${name} ${hash}\n")
endforeach()
set(all "${text}")
file(GLOB forms "${RTL}/simulation/*.sv")
list(SORT forms COMPARE FILE_BASENAME)
foreach(form IN LISTS forms)
  get_filename_component(name "${form}" NAME)
  file(SHA256 "${form}" hash)
  string(APPEND all "simulation/${name} ${hash}\n")
endforeach()
string(SHA256 all "${all}")
set(arguments "")
# Tracing keeps signals alive that nothing else needs: a seventh of the timing-only model's time.
set(trace --trace-fst)
foreach(parameter IN LISTS parameters)
  list(APPEND arguments "-G${parameter}")
  if(NOT parameter MATCHES "^Datapath=")
    string(APPEND text "${parameter}\n")
  elseif(parameter STREQUAL "Datapath=0")
    set(trace "")
  endif()
endforeach()
string(SHA256 hash "${text}")
string(SUBSTRING "${hash}" 0 16 fingerprint)

file(REMOVE_RECURSE "${OUT}")
file(MAKE_DIRECTORY "${OUT}")
# -fno-const-bit-op-tree: that optimization of 5.006 gives wrong results (verilator#4059, #4832, #4857).
# Unrolled loops over flat vectors are what GCC vectorizes. SYNTHESIS: without assertions and what only they need.
execute_process(
  COMMAND "${VERILATOR}" --cc -O3 --x-assign fast --x-initial fast --noassert -DSYNTHESIS -fno-const-bit-op-tree ${trace}
          --unroll-count 1024 --unroll-stmts 200000 --output-split 0 -Wno-fatal -Wno-lint -Wno-style
          ${VERILATOR_FLAGS} ${arguments} "-GFingerprint=64'h${fingerprint}" --prefix "${PREFIX}" --top-module accelerator
          -Mdir "${OUT}" ${sources}
  COMMAND_ERROR_IS_FATAL ANY)

file(GLOB generated RELATIVE "${OUT}" "${OUT}/${PREFIX}*.cpp")
list(SORT generated)
set(fast "")
set(slow "")
foreach(file IN LISTS generated)
  if(file MATCHES "__Slow|__Trace|__Syms")
    string(APPEND slow "#include \"${file}\"\n")
  else()
    string(APPEND fast "#include \"${file}\"\n")
  endif()
endforeach()
# An evaluation is what follows inputs, then what follows edges, each in a loop until no trigger is left. Where the one
# trigger is a rising clock, as Verilator 5.006 tells it, a cycle needs neither loop and only one of both at a time.
set(phases "#pragma once\n#include \"${PREFIX}___024root.h\"\n")
file(READ "${OUT}/${PREFIX}___024root.h" root)
if(root MATCHES "VlTriggerVec<1> __VicoTriggered;" AND root MATCHES "VlTriggerVec<1> __VnbaTriggered;")
  foreach(phase "evaluate_inputs ico" "evaluate_rising_clock nba")
    string(REPLACE " " ";" phase ${phase})
    list(GET phase 0 function)
    list(GET phase 1 region)
    string(APPEND phases "void ${PREFIX}___024root___eval_${region}(${PREFIX}___024root*);\n"
      "inline void ${function}(${PREFIX}___024root& root) {\n  root.__V${region}Triggered.at(0) = true;\n"
      "  ${PREFIX}___024root___eval_${region}(&root);\n}\n")
  endforeach()
endif()
file(WRITE "${OUT}/${PREFIX}_phases.h" "${phases}")
file(WRITE "${OUT}/${PREFIX}_sources.h" "constexpr const char* k_${PREFIX}_sources = \"${all}\";\n")
file(WRITE "${OUT}/fast.cpp" "${fast}")
file(WRITE "${OUT}/slow.cpp" "${slow}")
