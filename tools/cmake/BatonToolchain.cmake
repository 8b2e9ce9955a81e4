# Flags that every Baton target shares, and the search for the optional CUDA toolkit.

option(BATON_WERROR "Warnings of the host's compiler are errors; off for compilers not seen before" ON)
set(werror)
if(BATON_WERROR)
  set(werror -Werror)
endif()

add_library(baton_flags INTERFACE)
target_compile_options(baton_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wno-missing-field-initializers ${werror} -fno-math-errno -ffp-contract=off>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Sees overlaps in string's operator+ that cannot be (PR 105651).
  target_compile_options(baton_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
# What nobody calls is not loaded: loading libucs alone patches the process's memory functions, which
# the object that keeps it from doing so is only linked to prevent where the transport is used.
target_link_options(baton_flags INTERFACE LINKER:--as-needed)

# For users of libraries that the system built without sanitizers. Their headers must not hear of
# ours: protobuf gives maps two more fields under ThreadSanitizer, and a message with a map then has
# one size here and another in the library. libstdc++ asks by a macro of its own.
add_library(baton_foreign_layout INTERFACE)
set(BATON_SANITIZE_OPTIONS "")
if(BATON_SANITIZE)
  set(BATON_SANITIZE_OPTIONS -fsanitize=${BATON_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_compile_options(baton_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${BATON_SANITIZE_OPTIONS}>)
  target_link_options(baton_flags INTERFACE -fsanitize=${BATON_SANITIZE})
  if(BATON_SANITIZE MATCHES "thread")
    target_compile_options(baton_foreign_layout INTERFACE -U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1)
  endif()
  if(BATON_SANITIZE MATCHES "address")
    target_compile_options(baton_foreign_layout INTERFACE -U__SANITIZE_ADDRESS__)
  endif()
endif()

# With this sloppiness ccache also serves sources that use a precompiled header.
find_program(BATON_CCACHE ccache)
if(BATON_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${BATON_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(baton_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()

find_package(Threads REQUIRED)

# The standard headers that most sources include, precompiled: a third of what the server's sources
# take to compile. Builds with sanitizers do without, and fail where a source does not name what it
# uses.
if(NOT BATON_SANITIZE)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/precompiled.cc CONTENT "")
  add_library(baton_precompiled OBJECT ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_link_libraries(baton_precompiled PRIVATE baton_flags Threads::Threads)
  target_precompile_headers(baton_precompiled PRIVATE <algorithm> <array> <atomic> <chrono>
    <condition_variable> <deque> <functional> <map> <memory> <mutex> <optional> <set> <span>
    <sstream> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # Precompiled, string is no system header to GCC 12, which takes its copies for overflows
    # (PR 105329).
    target_compile_options(baton_flags INTERFACE
      $<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds -Wno-stringop-overflow>)
  endif()
endif()

set(BATON_HAVE_CUDA OFF)
if(NOT BATON_CUDA STREQUAL "OFF")
  # To projects that ask for 3.25, CMake 3.25.1 speaks of a library that CUDA 13 no longer has, and
  # fails.
  set(minimum_required ${CMAKE_MINIMUM_REQUIRED_VERSION})
  set(CMAKE_MINIMUM_REQUIRED_VERSION 3.24)
  find_package(CUDAToolkit QUIET)
  set(CMAKE_MINIMUM_REQUIRED_VERSION ${minimum_required})
  if(CUDAToolkit_FOUND)
    set(BATON_HAVE_CUDA ON)
  elseif(BATON_CUDA STREQUAL "ON")
    message(FATAL_ERROR "BATON_CUDA=ON, but no CUDA toolkit was found; "
      "install one, set CUDAToolkit_ROOT, or configure with -DBATON_CUDA=OFF")
  endif()
endif()

# Kernels need the compiler too; a toolkit may come without it.
set(BATON_HAVE_NVCC OFF)
if(BATON_HAVE_CUDA AND CUDAToolkit_NVCC_EXECUTABLE)
  execute_process(COMMAND ${CUDAToolkit_NVCC_EXECUTABLE} --version
    RESULT_VARIABLE nvcc_status OUTPUT_QUIET ERROR_QUIET)
  if(nvcc_status EQUAL 0)
    set(BATON_HAVE_NVCC ON)
  endif()
endif()
if(BATON_HAVE_NVCC)
  set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  # The one architecture is named below: its own instructions need the 'a', which CMake knows not.
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  enable_language(CUDA)
  # CMake 3.25 knows no C++20 of nvcc.
  if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_EXTENSIONS OFF)
  # What ptxas only tells of (wgmma made serial, setmaxnreg ignored) fails the build as well.
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/tools/strict_nvcc)
  if(BATON_CCACHE)
    list(APPEND CMAKE_CUDA_COMPILER_LAUNCHER ${BATON_CCACHE})
  endif()
  # No contraction that is not written: the same bits in every kernel that shares a formula, here
  # and under the emulator. A kernel says fmaf where it means it. Not compressed, so that a test can
  # read the code (kernels.cuda.machine_code).
  target_compile_options(baton_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:
    -gencode=arch=compute_90a,code=sm_90a -fmad=false --expt-relaxed-constexpr -no-compress
    $<$<BOOL:${BATON_WERROR}>:-Werror=all-warnings> -Xptxas=-warn-spills,-Werror
    -Xcompiler=-Wall,-Wextra,-Wno-unused-parameter,-fno-math-errno,-ffp-contract=off>)
endif()
message(STATUS "Baton: CUDA ${BATON_HAVE_CUDA}, nvcc ${BATON_HAVE_NVCC}, server ${BATON_SERVER}, "
  "tests ${BATON_TESTS}")
