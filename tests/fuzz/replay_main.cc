// Runs a fuzz target without a fuzzer: on its kept inputs, on its seeds, and on some thousand
// mutations of both, the same each time.
//   fuzz_<target>_test CORPUS [MUTATIONS]   MUTATIONS per target, 0: none
//   fuzz_<target>_test FILE                 that input alone
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

#include "baton/base/logging.h"
#include "baton/base/random.h"
#include "fuzz_target.h"

namespace baton::fuzz {
namespace {

/// Of one input; a hundred times what the slowest takes, and far below the test's limit.
constexpr int kCpuSecondsPerInput = 20;

/// Where the input that is being run goes if it breaks the target.
std::string broken_path;
std::string_view current;

void Say(std::string_view text) { (void)!::write(STDERR_FILENO, text.data(), text.size()); }

/// Async-signal-safe: keeps the input and leaves the rest to the signal's default.
void OnCrash(int signal) {
  const int file = ::creat(broken_path.c_str(), 0644);
  (void)!::write(file, current.data(), current.size());
  ::close(file);
  Say(signal == SIGPROF ? "\nthis input takes too long: " : "\nthis input breaks the target: ");
  Say(broken_path);
  Say("\nrun the same executable with that path to see it again\n");
  std::signal(signal == SIGPROF ? SIGABRT : signal, SIG_DFL);
  std::raise(signal == SIGPROF ? SIGABRT : signal);
}

void RunOne(const std::string& input) {
  current = input;
  const itimerval limit{{}, {kCpuSecondsPerInput, 0}};
  ::setitimer(ITIMER_PROF, &limit, nullptr);
  kTarget.run(input);
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> KeptInputs(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry);
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const auto& path : paths) inputs.push_back(ReadFile(path));
  return inputs;
}

/// Changes an input in one of the ways that find most.
void Mutate(std::string& input, const std::vector<std::string>& inputs, Random& random) {
  const size_t at = random.Below(input.size() + 1);
  const size_t some = random.Below(std::min<size_t>(input.size() - at, 64) + 1);
  switch (random.Below(7)) {
    case 0:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ 1 << random.Below(8));
      break;
    case 1:
      if (at < input.size()) input[at] = static_cast<char>(random.Next());
      break;
    case 2: input.erase(at, some); break;
    case 3: input.insert(at, input.substr(at, some)); break;
    case 4: {
      static constexpr char kNumbers[] = {0, 1, -1, 127, -128, 16, 64, 100};
      input.insert(at, 1 + random.Below(8), kNumbers[random.Below(std::size(kNumbers))]);
      break;
    }
    case 5: {
      const std::string& other = inputs[random.Below(inputs.size())];
      const size_t from = random.Below(other.size() + 1);
      input.replace(at, some, other, from, random.Below(256));
      break;
    }
    case 6:
      if (!kTarget.words.empty()) {
        input.replace(at, random.Below(2) * some,
                      kTarget.words[random.Below(kTarget.words.size())]);
      }
      break;
  }
  input.resize(std::min(input.size(), kTarget.max_bytes));
}

void RunAll(const std::filesystem::path& folder, int mutations) {
  std::vector<std::string> inputs = KeptInputs(folder);
  const size_t kept = inputs.size();
  for (std::string& seed : kTarget.seeds()) inputs.push_back(std::move(seed));
  for (const std::string& input : inputs) RunOne(input);
  RunOne("");
  Random random(1);
  for (int i = 0; i < mutations; ++i) {
    std::string input = inputs[random.Below(inputs.size())];
    for (uint64_t n = 1 + random.Below(4); n > 0; --n) Mutate(input, inputs, random);
    RunOne(input);
  }
  std::cout << "ran " << kept << " kept inputs, " << inputs.size() - kept << " seeds and "
            << mutations << " mutations\n";
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " CORPUS [MUTATIONS] | FILE\n";
    return 2;
  }
  SetLogLevel(LogLevel::kError);
  const std::filesystem::path input = argv[1];
  broken_path = std::string(argv[0]) + ".broken";
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPROF}) {
    std::signal(signal, OnCrash);
  }
  if (std::filesystem::is_regular_file(input)) {
    RunOne(ReadFile(input));
  } else {
    RunAll(input, argc > 2 ? std::atoi(argv[2]) : 0);
  }
  return 0;
}

}  // namespace
}  // namespace baton::fuzz

int main(int argc, char** argv) { return baton::fuzz::Main(argc, argv); }
