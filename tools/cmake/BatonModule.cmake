# A module is one CMake target in one layer. It may depend on lower layers only; the check runs at
# configure time. What the linker cannot see (includes, third-party headers) is checked by the test
# architecture.layers.
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
  endif()
  add_library(baton::${name} ALIAS ${target})
  set_property(GLOBAL PROPERTY BATON_LAYER_${name} ${ARG_LAYER})
  target_include_directories(${target} ${visibility} ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${target} ${visibility} Threads::Threads)
  foreach(dependency IN LISTS ARG_DEPENDS)
    get_property(layer GLOBAL PROPERTY BATON_LAYER_${dependency})
    if(layer STREQUAL "")
      message(FATAL_ERROR "baton_module(${name}): no module '${dependency}' is declared before it")
    endif()
    if(NOT layer LESS ARG_LAYER)
      message(FATAL_ERROR "baton_module(${name}): layer ${ARG_LAYER} may not use '${dependency}' "
        "of layer ${layer}; a module uses only lower layers")
    endif()
    target_link_libraries(${target} ${visibility} baton::${dependency})
  endforeach()
endfunction()

# baton_test(<name> SOURCES <file>... DEPENDS <target>... [LABELS <label>...] [TIMEOUT <seconds>])
# One GoogleTest executable, one CTest entry. A run in which every test skipped reads as skipped.
function(baton_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;LABELS;ARGS" ${ARGN})
  string(REPLACE "." "_" target ${name}_test)
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE baton_flags ${ARG_DEPENDS} GTest::gmock GTest::gtest_main)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${target} PRIVATE BATON_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    BATON_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_test(NAME ${name} COMMAND ${target})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()
