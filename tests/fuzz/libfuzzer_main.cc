// The entry points that libFuzzer calls. Beside its own options an executable takes
//   --write_seeds=FOLDER   writes the target's seeds there, and its words to FOLDER.dict; ends
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <sys/time.h>
#include <unistd.h>

#include "baton/base/logging.h"
#include "fuzz_target.h"

namespace baton::fuzz {
namespace {

std::string DictionaryLine(const std::string& word) {
  std::string line = "\"";
  for (const char c : word) {
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
    line += code;
  }
  return line + "\"\n";
}

void WriteSeeds(const std::string& folder) {
  int number = 0;
  for (const std::string& seed : kTarget.seeds()) {
    std::ofstream(folder + "/seed-" + std::to_string(number++), std::ios::binary) << seed;
  }
  std::ofstream dictionary(folder + ".dict");
  for (const std::string& word : kTarget.words) dictionary << DictionaryLine(word);
}

/// Of one input. libFuzzer's own limit is of the clock's time, which a busy machine exceeds.
constexpr int kCpuSeconds = 5;

void OnTooLong(int) {
  constexpr char kMessage[] = "the input takes too long: 5 s of CPU time\n";
  (void)!::write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
  std::abort();
}

}  // namespace
}  // namespace baton::fuzz

/// Options go before those given, which win.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  baton::SetLogLevel(baton::LogLevel::kError);
  static const std::string kMaxBytes = "-max_len=" + std::to_string(baton::fuzz::kTarget.max_bytes);
  static std::vector<std::string> options = {"-timeout=600", "-rss_limit_mb=2048",
                                             "-malloc_limit_mb=512", kMaxBytes};
  std::signal(SIGPROF, &baton::fuzz::OnTooLong);
  static std::vector<char*> arguments(*argv, *argv + 1);
  for (std::string& option : options) arguments.push_back(option.data());
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    constexpr std::string_view kWriteSeeds = "--write_seeds=";
    if (argument.starts_with(kWriteSeeds)) {
      baton::fuzz::WriteSeeds(std::string(argument.substr(kWriteSeeds.size())));
      std::exit(0);
    }
    arguments.push_back((*argv)[i]);
  }
  *argc = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  *argv = arguments.data();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  const itimerval limit{{}, {baton::fuzz::kCpuSeconds, 0}};
  ::setitimer(ITIMER_PROF, &limit, nullptr);
  baton::fuzz::kTarget.run({reinterpret_cast<const char*>(data), bytes});
  return 0;
}

// Read by the sanitizers at start. Libraries of the system are not instrumented: what they allocate
// and free is checked, their code is not.
extern "C" const char* __asan_default_options() {
  return "malloc_context_size=8:quarantine_size_mb=32";
}
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1"; }
