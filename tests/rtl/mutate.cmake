# Script (cmake -P): writes the file IN with TO in the place of its text FROM as OUT, unless that is so already.
file(READ "${IN}" text)
string(REPLACE "${FROM}" "${TO}" mutated "${text}")
if(mutated STREQUAL text)
  message(FATAL_ERROR "${IN} no longer says '${FROM}', which a mutant of tests/rtl changes: write it anew")
endif()
file(CONFIGURE OUTPUT "${OUT}" CONTENT "${mutated}" @ONLY)
