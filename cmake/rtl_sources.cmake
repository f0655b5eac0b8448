# rtl_sources(VARIABLE FOLDER): the accelerator's sources, packages first, as FOLDER/accelerator.f lists them.
function(rtl_sources variable folder)
  file(STRINGS ${folder}/accelerator.f sources)
  list(TRANSFORM sources PREPEND ${folder}/)
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()
