# embed_text(TARGET FILE FUNCTION HEADER): compiles the text of FILE into TARGET: FUNCTION, a std::string_view() that HEADER
# declares, returns it.
function(embed_text target file function header)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp @ONLY CONTENT
"#include \"${header}\"\n
std::string_view ${function}() {
  return R\"embedded(${text})embedded\";
}\n")
  target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
endfunction()
