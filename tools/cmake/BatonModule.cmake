# A module is one CMake target in one layer. It may depend on lower layers only; the check runs at
# configure time. What the linker cannot see (includes, third-party headers) is checked by the test
# architecture.layers, which reads the declarations from layers.txt in the build folder.
#
# baton_module(<name> LAYER <n>
#   [SOURCES <file>...]      relative to the calling folder
#   [DEPENDS <module>...]    modules of lower layers
#   [DOORS <target>...]      third-party libraries that only this module may include
#   [INTERFACE_ONLY])        headers without sources
function(baton_module name)
  cmake_parse_arguments(ARG "INTERFACE_ONLY" "LAYER" "SOURCES;DEPENDS;DOORS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "baton_module(${name}): unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT ARG_LAYER MATCHES "^[0-9]+$")
    message(FATAL_ERROR "baton_module(${name}): LAYER must be a number, got '${ARG_LAYER}'")
  endif()
  set(target baton_${name})
  set(visibility PUBLIC)
  if(ARG_INTERFACE_ONLY)
    set(visibility INTERFACE)
    add_library(${target} INTERFACE)
  else()
    add_library(${target} STATIC ${ARG_SOURCES})
    target_link_libraries(${target} PRIVATE baton_flags ${ARG_DOORS})
    if(TARGET baton_precompiled)
      target_precompile_headers(${target} REUSE_FROM baton_precompiled)
    endif()
  endif()
  add_library(baton::${name} ALIAS ${target})
  target_include_directories(${target} ${visibility} ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${target} ${visibility} Threads::Threads)
  baton_declare_module(${name} ${ARG_LAYER} "${ARG_DEPENDS}")
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(${target} ${visibility} baton::${dependency})
  endforeach()
endfunction()

# Checks the layers of `depends` (a list) against `layer` and records the declaration.
function(baton_declare_module name layer depends)
  foreach(dependency IN LISTS depends)
    get_property(below GLOBAL PROPERTY BATON_LAYER_${dependency})
    if("${below}" STREQUAL "")
      message(FATAL_ERROR "baton_module(${name}): no module '${dependency}' is declared before it")
    endif()
    if(NOT below LESS layer)
      message(FATAL_ERROR "baton_module(${name}): layer ${layer} may not use '${dependency}' "
        "of layer ${below}; a module uses only lower layers")
    endif()
  endforeach()
  set_property(GLOBAL PROPERTY BATON_LAYER_${name} ${layer})
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  list(JOIN depends " " depends)
  set_property(GLOBAL APPEND_STRING PROPERTY BATON_LAYERS "${layer} ${name} ${folder} ${depends}\n")
endfunction()

# Writes every declared module to layers.txt: layer, name, folder, what it depends on.
function(baton_write_layers)
  get_property(layers GLOBAL PROPERTY BATON_LAYERS)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/layers.txt CONTENT "${layers}" @ONLY)
endfunction()
