# Tests of CUDA kernels without a GPU: their sources compiled by the host's compiler against the
# emulator in tests/simt. It takes types from the toolkit's headers, and no other part of it.
set(BATON_HAVE_SIMT OFF)
if(BATON_TESTS AND BATON_HAVE_CUDA AND NOT BATON_SANITIZE MATCHES "thread")
  set(BATON_HAVE_SIMT ON)
endif()

# baton_simt_kernels(<target> STATIC|OBJECT SOURCES <file.cu>...)
# A library of kernels for the emulator; files relative to kernels/cuda.
function(baton_simt_kernels target type)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  list(TRANSFORM ARG_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/kernels/cuda/)
  set_source_files_properties(${ARG_SOURCES} PROPERTIES LANGUAGE CXX)
  add_library(${target} ${type} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE baton_flags PUBLIC baton_simt baton::device baton::ops)
  # The emulator's first, so that ptx/, launch.h and shared_memory.h are its.
  target_include_directories(${target} BEFORE PUBLIC ${PROJECT_SOURCE_DIR}/tests/simt
    ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/kernels/cuda)
  # Optimised in every build type, like the other kernels.
  target_compile_options(${target} PRIVATE -include ${PROJECT_SOURCE_DIR}/tests/simt/device.h
    -O1 -Wno-unknown-pragmas)
endfunction()

# baton_simt_test(<name> SOURCES <file>... [DEPENDS <target>...] [TIMEOUT <seconds>])
# The same test twice: kernels.cuda.<name> under the emulator, and gpu.<name> on a GPU, which skips
# without one. SOURCES, relative to the calling folder, are compiled once for both.
function(baton_simt_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "baton_simt_test(${name}): unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT BATON_TESTS OR NOT (BATON_HAVE_SIMT OR BATON_HAVE_NVCC))
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set(cases cuda_${name}_cases)
  baton_test_objects(${cases} OBJECT SOURCES ${ARG_SOURCES}
    DEPENDS baton::device baton::ops baton::kernels_reference CUDA::toolkit ${ARG_DEPENDS})
  target_include_directories(${cases} PRIVATE ${PROJECT_SOURCE_DIR}/kernels/cuda)
  if(BATON_HAVE_SIMT)
    baton_test(kernels.cuda.${name} SOURCES $<TARGET_OBJECTS:${cases}>
      LABELS kernels simt TIMEOUT ${ARG_TIMEOUT}
      DEPENDS cuda_device_emulated simt_kernels baton::kernels_reference ${ARG_DEPENDS})
  endif()
  if(BATON_HAVE_NVCC)
    baton_test(gpu.${name} SOURCES $<TARGET_OBJECTS:${cases}>
      LABELS gpu TIMEOUT ${ARG_TIMEOUT} SERIAL
      DEPENDS cuda_device_real baton::kernels_cuda baton::kernels_reference ${ARG_DEPENDS})
  endif()
endfunction()
