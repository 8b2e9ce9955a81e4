# Decoders of bytes from outside, each in tests/fuzz/<name>_fuzz.cc. With BATON_FUZZ, which needs
# clang, they become libFuzzer's; else tests that replay what was found.
option(BATON_FUZZ "Build the fuzzers instead of the tests (clang)" OFF)
if(BATON_FUZZ AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "BATON_FUZZ=ON needs clang: use the preset 'fuzz', or ./dev fuzz")
endif()
if(BATON_FUZZ)
  # What is to be covered is built so that the fuzzer sees which branches an input takes.
  target_compile_options(baton_flags INTERFACE -fsanitize=fuzzer-no-link)
  add_custom_target(baton_fuzzers)
endif()

# baton_fuzz(<name> DEPENDS <target>... [SOURCES <file>...] [INCLUDES <folder of src>...]
#   [MUTATIONS <count>])
# With BATON_FUZZ: the executable bin/fuzz/<name> in the build folder, part of baton_fuzzers.
# Else: the test fuzz.<name>, which runs the corpus, the seeds and so many mutations of them.
function(baton_fuzz name)
  cmake_parse_arguments(ARG "" "MUTATIONS" "DEPENDS;SOURCES;INCLUDES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "baton_fuzz(${name}): unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
  list(TRANSFORM ARG_INCLUDES PREPEND ${PROJECT_SOURCE_DIR}/src/)
  if(BATON_FUZZ)
    set(target fuzz_${name})
    add_executable(${target} EXCLUDE_FROM_ALL ${name}_fuzz.cc ${ARG_SOURCES} libfuzzer_main.cc)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin/fuzz)
    target_link_libraries(${target} PRIVATE baton_flags ${ARG_DEPENDS} -fsanitize=fuzzer)
    target_compile_definitions(${target} PRIVATE BATON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_dependencies(baton_fuzzers ${target})
  else()
    set(target fuzz_${name}_test)
    add_executable(${target} ${name}_fuzz.cc ${ARG_SOURCES})
    target_link_libraries(${target} PRIVATE baton_flags ${ARG_DEPENDS} baton_fuzz_replay)
    if(NOT ARG_MUTATIONS)
      set(ARG_MUTATIONS 10000)
    endif()
    add_test(NAME fuzz.${name} COMMAND ${target} ${corpus} ${ARG_MUTATIONS})
    set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 240 LABELS fuzz
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  endif()
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${ARG_INCLUDES})
endfunction()
