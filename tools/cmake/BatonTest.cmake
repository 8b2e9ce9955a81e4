# GoogleTest from the system, or built from its sources where there is no package (GPU hosts).
set(BATON_GOOGLETEST /usr/src/googletest CACHE PATH "GoogleTest's sources, where no package is")
if(BATON_TESTS)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    if(NOT EXISTS ${BATON_GOOGLETEST}/CMakeLists.txt)
      message(FATAL_ERROR "GoogleTest is missing: apt-get install libgtest-dev libgmock-dev, run "
        "./dev test, point BATON_GOOGLETEST at its sources, or configure with -DBATON_TESTS=OFF")
    endif()
    set(INSTALL_GTEST OFF)
    add_subdirectory(${BATON_GOOGLETEST} googletest EXCLUDE_FROM_ALL SYSTEM)
    if(NOT TARGET GTest::gmock)
      add_library(GTest::gmock ALIAS gmock)
    endif()
  endif()
  # Tests are compiled once and run for seconds: little optimisation pays.
  add_library(baton_test_flags INTERFACE)
  target_compile_options(baton_test_flags INTERFACE $<$<CONFIG:Release>:-O1>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # At this level GCC 12 takes std::string's own copies for overflows (PR 105329, 105651).
    target_compile_options(baton_test_flags INTERFACE -Wno-array-bounds -Wno-stringop-overflow
      -Wno-stringop-overread -Wno-maybe-uninitialized)
  endif()
  target_compile_definitions(baton_test_flags INTERFACE BATON_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    BATON_BINARY_DIR="${PROJECT_BINARY_DIR}")
  # What every test shares: the entry point, and GoogleTest precompiled, which is most of what a
  # small test compiles.
  add_library(baton_test_main OBJECT ${PROJECT_SOURCE_DIR}/tests/support/child_reports.cc
    ${PROJECT_SOURCE_DIR}/tests/support/test_main.cc)
  target_link_libraries(baton_test_main PUBLIC GTest::gmock baton_test_flags PRIVATE baton_flags)
  target_include_directories(baton_test_main PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_precompile_headers(baton_test_main PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
endif()

# Under a sanitizer everything takes longer, and the sanitizers must know what to forgive libraries
# that the system built without them.
set(BATON_TEST_ENVIRONMENT "")
set(BATON_TIME_SCALE 1)
if(BATON_SANITIZE)
  set(BATON_TIME_SCALE 10)
  set(BATON_TEST_ENVIRONMENT
    "TSAN_OPTIONS=ignore_noninstrumented_modules=1"
    "LSAN_OPTIONS=print_suppressions=0:suppressions=${PROJECT_SOURCE_DIR}/tests/support/leaks.supp")
endif()

# What only a GPU runs, to be built first where there is one.
add_custom_target(baton_gpu_tests)

# baton_test_objects(<target> STATIC|OBJECT SOURCES <file>... DEPENDS <target>...)
# What several tests link, compiled once as tests are.
function(baton_test_objects target type)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "baton_test_objects(${target}): unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  add_library(${target} ${type} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE baton_flags baton_test_flags
    PUBLIC ${ARG_DEPENDS} GTest::gmock)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_precompile_headers(${target} REUSE_FROM baton_test_main)
endfunction()

# baton_test(<name> SOURCES <file>... DEPENDS <target>... [ARGS <argument>...]
#   [LABELS <label>...] [TIMEOUT <seconds>] [SERIAL])
# One GoogleTest executable, one CTest entry. A run in which every case skipped reads as skipped.
# The first part of the name (unit, kernels, ...) is always among the labels.
# SERIAL is for tests that start processes or load every core.
function(baton_test name)
  cmake_parse_arguments(ARG "SERIAL" "TIMEOUT" "SOURCES;DEPENDS;LABELS;ARGS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "baton_test(${name}): unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  string(REPLACE "." "_" target ${name}_test)
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE baton_flags ${ARG_DEPENDS} baton_test_main)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_precompile_headers(${target} REUSE_FROM baton_test_main)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * ${BATON_TIME_SCALE}")
  add_test(NAME ${name} COMMAND ${target} ${ARG_ARGS})
  string(REGEX REPLACE "[.].*" "" family ${name})
  if(family STREQUAL "gpu")
    add_dependencies(baton_gpu_tests ${target})
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${family};${ARG_LABELS}"
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} SKIP_RETURN_CODE 77
    ENVIRONMENT "${BATON_TEST_ENVIRONMENT}")
  if(ARG_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# baton_bench(<name> SOURCES <file>... DEPENDS <target>...)
# One Google Benchmark executable, bin/bench/<name> in the build folder; ./dev bench runs them all.
function(baton_bench name)
  if(NOT benchmark_FOUND)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "baton_bench(${name}): unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  string(REPLACE "." "_" target ${name}_bench)
  add_executable(${target} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin/bench)
  target_link_libraries(${target} PRIVATE baton_flags ${ARG_DEPENDS} benchmark::benchmark_main)
  add_dependencies(baton_benches ${target})
endfunction()

# GPU hosts have no such package: there only what times itself is built.
if(BATON_BENCH)
  if(BATON_SERVER)
    find_package(benchmark REQUIRED)
  else()
    find_package(benchmark QUIET)
  endif()
  add_custom_target(baton_benches)
endif()
