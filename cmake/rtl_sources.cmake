# rtl_sources(VARIABLE FOLDER): the accelerator's sources, packages first, as FOLDER/accelerator.f lists them: what is built.
function(rtl_sources variable folder)
  file(STRINGS ${folder}/accelerator.f sources)
  list(TRANSFORM sources PREPEND ${folder}/)
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()

# simulated_sources(VARIABLE FOLDER): the same, modules that FOLDER/simulation has in a form for speed from there.
function(simulated_sources variable folder)
  rtl_sources(sources ${folder})
  file(GLOB forms ${folder}/simulation/*.sv)
  foreach(form IN LISTS forms)
    get_filename_component(name ${form} NAME)
    list(TRANSFORM sources REPLACE "^.*/${name}$" ${form})
  endforeach()
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()
