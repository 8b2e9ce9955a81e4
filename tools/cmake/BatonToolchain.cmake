# Flags that every Baton target shares, and the search for the optional CUDA toolkit.

add_library(baton_flags INTERFACE)
target_compile_options(baton_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wno-missing-field-initializers -Werror -fno-math-errno -ffp-contract=off>)
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
  target_compile_options(baton_flags INTERFACE ${BATON_SANITIZE_OPTIONS})
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

set(BATON_HAVE_CUDA OFF)
if(NOT BATON_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_FOUND)
    set(BATON_HAVE_CUDA ON)
  elseif(BATON_CUDA STREQUAL "ON")
    message(FATAL_ERROR "BATON_CUDA=ON, but no CUDA toolkit was found; "
      "install one, set CUDAToolkit_ROOT, or configure with -DBATON_CUDA=OFF")
  endif()
endif()
message(STATUS "Baton: CUDA ${BATON_HAVE_CUDA}, server ${BATON_SERVER}, tests ${BATON_TESTS}")
