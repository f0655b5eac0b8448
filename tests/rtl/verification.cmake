# Verification of the RTL beside its test benches: formal proofs, protocol checkers, random state before reset, and Icarus
# Verilog against Verilator. Included by tests/rtl/CMakeLists.txt; needs `root`, `rtl`, `rtl_sources` and verilate().
set(assertions ${rtl}/assertions)

# Like every test of reset: registers and memories start with random values.
set(random_state -O3 --x-assign unique --x-initial unique -fno-const-bit-op-tree -Wno-fatal)
set(tiny -GP=2 -GF=4 -GActivationRows=1024 -GWeightRows=512 -GParameterSlots=32 -GStagingWords=512)

add_executable(rtl_protocol_tests ${CMAKE_CURRENT_LIST_DIR}/protocol/protocol_test.cpp)
add_executable(replay_recorder ${CMAKE_CURRENT_LIST_DIR}/replay/recorder.cpp)
foreach(program rtl_protocol_tests replay_recorder)
  target_compile_features(${program} PRIVATE cxx_std_20)
  target_include_directories(${program} PRIVATE ${root})
  target_link_libraries(${program} PRIVATE GTest::gtest)
endforeach()
verilate(rtl_protocol_tests
         SOURCES ${rtl_sources} ${assertions}/axi_checker.sv ${assertions}/axi_lite_checker.sv
                 ${CMAKE_CURRENT_LIST_DIR}/protocol/checkers.sv
         TOP_MODULE accelerator PREFIX Vchecked_accelerator
         VERILATOR_ARGS ${random_state} ${tiny} -Wno-BLKSEQ --assert OPT_FAST -O1)
# Without --assert: they are driven against their rules.
foreach(checker axi_checker axi_lite_checker)
  verilate(rtl_protocol_tests SOURCES ${assertions}/${checker}.sv TOP_MODULE ${checker} PREFIX V${checker}
           VERILATOR_ARGS ${random_state} -Wno-BLKSEQ --noassert OPT_FAST -O1)
endforeach()
# Icarus replays what is built.
verilate(replay_recorder SOURCES ${simulated_sources} TOP_MODULE accelerator PREFIX Vreplayed
         VERILATOR_ARGS ${random_state} ${tiny} OPT_FAST -O1)

add_test(NAME rtl_protocol COMMAND rtl_protocol_tests)
set_tests_properties(rtl_protocol PROPERTIES TIMEOUT 600)
add_test(NAME icarus_replay COMMAND ${CMAKE_CURRENT_LIST_DIR}/replay/run $<TARGET_FILE:replay_recorder>)
set_tests_properties(icarus_replay PROPERTIES TIMEOUT 600)
add_test(NAME parameters COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/parameters_test.py)
set_tests_properties(parameters PROPERTIES TIMEOUT 600)
# Long, and one core: first, so that others run beside it.
add_test(NAME logic_depth COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/area/logic_depth_test.py)
add_test(NAME area COMMAND ${root}/scripts/check_area)
set_tests_properties(area PROPERTIES TIMEOUT 2400 COST 1000)
add_test(NAME formal COMMAND ${root}/scripts/check_formal)
set_tests_properties(formal PROPERTIES TIMEOUT 900)
