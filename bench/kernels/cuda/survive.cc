#include "survive.h"

#include <cstdio>
#include <cstring>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baton/base/check.h"

namespace baton::bench {
namespace {

constexpr int kMostCrashes = 8;

}  // namespace

std::byte* SharedBytes(size_t bytes) {
  void* shared = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  BATON_CHECK(shared != MAP_FAILED);
  return static_cast<std::byte*>(shared);
}

int Survive(size_t count, const std::function<int(size_t from, size_t& under_way)>& work,
            const std::function<void(size_t which, const std::string& how)>& on_crash) {
  auto& under_way = *reinterpret_cast<size_t*>(SharedBytes(sizeof(size_t)));
  for (int crashes = 0; under_way < count; ++crashes) {
    if (crashes == kMostCrashes) return 1;
    std::fflush(nullptr);
    const pid_t child = fork();
    BATON_CHECK(child >= 0);
    if (child == 0) {
      const int status = work(under_way, under_way);
      std::fflush(nullptr);
      _exit(status);
    }
    int status = 0;
    BATON_CHECK(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    on_crash(under_way, std::string("crashed: ") + strsignal(WTERMSIG(status)));
    ++under_way;
  }
  return 0;
}

}  // namespace baton::bench
