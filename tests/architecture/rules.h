#pragma once

#include <string>
#include <string_view>
#include <vector>

/// What may stand where in the tree. The layers themselves are not here: they are declared with
/// baton_module() and read from layers.txt in the build folder.
namespace baton::architecture {

using Words = std::vector<std::string_view>;

/// A third-party library's headers and the only folders whose files may include them.
struct Door {
  std::string_view library;
  Words headers;  // prefixes of the path in #include; a leading '*' makes it a suffix
  Words folders;
};

inline const std::vector<Door> kDoors = {
    {"spdlog", {"spdlog/", "fmt/"}, {"src/base"}},
    {"yaml-cpp", {"yaml-cpp/"}, {"src/config"}},
    {"prometheus-cpp", {"prometheus/"}, {"src/telemetry"}},
    {"CUDA",
     {"cuda", "cublas", "cooperative_groups", "driver_types.h", "mma.h", "nv/", "nvtx3/", "cub/",
      "cute/", "math_constants.h", "vector_functions.h", "vector_types.h"},
     {"src/device", "kernels/cuda", "tests/kernels", "tests/simt", "bench/kernels",
      "bench/collective"}},
    {"PCRE2", {"pcre2"}, {"src/text"}},
    {"ICU", {"unicode/"}, {"src/text"}},
    {"UCX", {"ucm/", "ucp/", "uct/", "ucs/"}, {"src/transport/ucx"}},
    {"NCCL", {"nccl.h", "nccl_net.h"}, {"src/nccl"}},
    {"gRPC", {"grpc/", "grpcpp/", "*.grpc.pb.h"}, {"src/grpc", "src/rpc", "tests/unit/grpc"}},
    {"Abseil", {"absl/"}, {"src/rpc"}},
    {"Protocol Buffers",
     {"google/", "*.pb.h"},
     {"src/grpc", "src/handoff", "src/rpc", "src/telemetry", "tests/fuzz", "tests/unit/grpc",
      "tests/unit/handoff"}},
    {"Boost",
     {"boost/"},
     {"src/http", "src/outbound", "tests/integration", "tests/support", "tests/unit/http"}},
    {"nlohmann/json",
     {"nlohmann/"},
     {"src/api", "src/app", "src/discovery/kubernetes", "src/grammar", "src/loadgen", "src/model",
      "src/otlp", "src/text", "tests/fuzz", "tests/integration", "tests/kernels",
      "tests/simulation", "tests/support", "tests/unit"}},
    {"c-ares", {"ares"}, {"src/outbound"}},
    {"libcurl", {"curl/"}, {"src/loadgen/server"}},
    {"OpenSSL",
     {"openssl/"},
     {"src/access", "src/http", "src/outbound", "tests/support", "tests/unit/http"}},
    {"CLI11", {"CLI/"}, {"src/app"}},
    {"BLAS", {"cblas", "openblas", "lapack"}, {"kernels/cpu", "bench/kernels"}},
    {"OpenMP", {"omp.h"}, {"bench/kernels"}},
    {"oneDNN", {"dnnl", "oneapi/"}, {"kernels/cpu", "bench/kernels"}},
    {"GoogleTest", {"gtest/", "gmock/"}, {"tests"}},
    {"Google Benchmark", {"benchmark/"}, {"bench"}},
};

/// Headers of the C library, POSIX, Linux and the compiler; those of C++ have no dot and no slash.
inline const Words kSystemHeaders = {
    "arpa/",      "asm/",       "bits/",     "linux/",   "net/",       "netinet/",    "sys/",
    "*intrin.h",  "cpuid.h",    "cxxabi.h",  "dirent.h", "dlfcn.h",    "elf.h",       "errno.h",
    "fcntl.h",    "fenv.h",     "float.h",   "ftw.h",    "getopt.h",   "glob.h",      "grp.h",
    "ifaddrs.h",  "inttypes.h", "libgen.h",  "limits.h", "link.h",     "malloc.h",    "math.h",
    "netdb.h",    "poll.h",     "pthread.h", "pwd.h",    "sched.h",    "semaphore.h", "signal.h",
    "spawn.h",    "stdarg.h",   "stddef.h",  "stdint.h", "stdio.h",    "stdlib.h",    "string.h",
    "strings.h",  "syslog.h",   "termios.h", "time.h",   "ucontext.h", "unistd.h",    "wait.h",
    "sanitizer/",
};

/// Folders that gather what belongs nowhere.
inline const Words kJunkDrawers = {"common",  "core",    "framework", "helper",
                                   "helpers", "manager", "misc",      "utilities",
                                   "utility", "utils",   "util"};

/// What the root of the tree may hold.
inline const Words kTopLevel = {
    ".ci",        ".clang-format",  ".clang-tidy",       ".gitattributes", ".github",   "bench",
    ".gitignore", "CMakeLists.txt", "CMakePresets.json", "configs",        "dev",       "docker",
    "include",    "kernels",        "LICENSE",           "proto",          "README.md", "src",
    "tests",      "tools",
};

/// Where operations on devices are declared, and what the comment of each must speak of.
inline const Words kOperationFolders = {"include/baton/ops", "kernels/cuda"};
inline const Words kContract = {
    "Shapes:", "Types:", "Layout:", "Errors:", "Stream:", "Cost:", "Accuracy:", "Source:"};

/// Endings of C++ and CUDA sources. Others of the same languages are refused.
inline const Words kSourceEndings = {".h", ".cc", ".cu", ".cuh"};
inline const Words kRefusedEndings = {".c", ".C", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".inl"};

/// First folders of absolute paths that exist on one machine only; a file of the tree names none.
inline const Words kMachineFolders = {"home", "root", "Users", "work"};

}  // namespace baton::architecture
