#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "baton/base/units.h"
#include "baton/handoff/layer_groups.h"
#include "block_runs.h"
#include "decode_worker.h"
#include "perftest.h"

/// How fast KV is handed over, against UCX's own puts and against memcpy: two processes on this
/// host, everything in turn within each round, because a busy host is noisy.
namespace baton::bench {
namespace {

constexpr int32_t kMostTokens = 4096;
constexpr int32_t kBlocks = kMostTokens / 16;
constexpr size_t kBlockBytes = size_t{2} << 20;
/// Of one prompt length per round.
constexpr size_t kBytesPerRound = size_t{1} << 30;
constexpr int kFewestHandoffs = 3;
constexpr int kMostHandoffs = 100;
constexpr int kMemcpys = 20;
/// How long after the workers met the first hand-off begins.
constexpr Duration kBeforeFirst = std::chrono::seconds(2);
/// For CPU time, which the kernel counts coarsely.
constexpr int kHandoffsForCpu = 500;

struct Options {
  std::string tls;
  int rounds = 7;
  bool perftest = true;
};

/// Higher is better, or lower is, as the caller says.
class Samples {
 public:
  void Add(double value) { values_.push_back(value); }
  bool empty() const { return values_.empty(); }
  double greatest() const { return *std::max_element(values_.begin(), values_.end()); }
  double least() const { return *std::min_element(values_.begin(), values_.end()); }
  double median() const {
    std::vector<double> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }

 private:
  std::vector<double> values_;
};

/// GB/s by the clock, of single copies, and per second of CPU time, of a round's copies together:
/// what is left when other processes take the cores away.
struct Rates {
  Samples wall, cpu;
};

/// The figure of a copy's rates that is compared: the best by the clock, since nothing makes a copy
/// faster than it is, but the median by CPU time, of which ucx_perftest's is a difference of two.
using Figure = std::function<double(const Rates&)>;
double BestWall(const Rates& rates) { return rates.wall.empty() ? 0 : rates.wall.greatest(); }
double MedianCpu(const Rates& rates) { return rates.cpu.empty() ? 0 : rates.cpu.median(); }

/// One row of the table: a prompt length and how its blocks lie.
struct Case {
  int32_t tokens = 0;
  int32_t run = 0;
  Rates handoff;
  Samples put, handoff_us;

  size_t bytes() const { return static_cast<size_t>((tokens + 15) / 16) * kBlockBytes; }
};

struct CpuTimes {
  Samples whole_us, tiny_us;
};

double Rate(size_t bytes, Duration time) {
  return static_cast<double>(bytes) / 1e9 / Seconds(std::max(time, Duration(1)));
}

double Microseconds(Duration time) { return Seconds(time) * 1e6; }

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options),
        tiny_({.geometry = kTiny, .blocks = kBlocks, .tls = options.tls}),
        ours_({.geometry = kLlama, .blocks = kBlocks, .tls = options.tls}),
        puts_({.geometry = kLlama, .blocks = kBlocks, .tls = options.tls, .direct_copies = false}) {
  }

  int Run() {
    // Over a network a transport puts by messages of its own, and leaves no copy to UCX.
    if (!OverSharedMemory()) ucx_cases_.clear();
    if (!WarmUp()) return 1;
    for (int round = 0; round < options_.rounds; ++round) {
      std::fprintf(stderr, "round %d of %d\r", round + 1, options_.rounds);
      for (auto& [bytes, rates] : perftest_) MeasurePerftest(bytes, rates);
      for (auto& [bytes, rates] : memcpy_) MeasureMemcpy(bytes, rates);
      for (Case& each : cases_) MeasureHandoffs(ours_, each);
      for (Case& each : ucx_cases_) MeasureHandoffs(puts_, each);
      MeasureCpu();
    }
    path_cost_ = ours_.MeasurePath();
    Print();
    return 0;
  }

 private:
  /// The first hand-offs of all, checked: soon after the workers met, as after a restart.
  bool WarmUp() {
    std::this_thread::sleep_for(kBeforeFirst);
    first_us_ = Microseconds(ours_.TakeOver(kMostTokens, 0).handoff);
    bool arrived = ours_.CheckAndClear(kMostTokens);
    first_put_us_ = Microseconds(puts_.TakeOver(kMostTokens, 0).handoff);
    for (const Case& each : cases_) {
      ours_.TakeOver(each.tokens, each.run);
      arrived = ours_.CheckAndClear(each.tokens) && arrived;
    }
    tiny_.TakeOver(16, 0);
    if (!arrived) std::fprintf(stderr, "what arrived is not what was sent\n");
    return arrived;
  }

  static void MeasureHandoffs(DecodeWorker& worker, Case& each) {
    const int count =
        std::clamp(static_cast<int>(kBytesPerRound / each.bytes()), kFewestHandoffs, kMostHandoffs);
    const Duration before = worker.CpuTime();
    for (int i = 0; i < count; ++i) {
      const DecodeWorker::Times times = worker.TakeOver(each.tokens, each.run);
      each.handoff.wall.Add(Rate(each.bytes(), times.handoff));
      each.put.Add(Rate(each.bytes(), times.put));
      each.handoff_us.Add(Microseconds(times.handoff));
    }
    each.handoff.cpu.Add(
        Rate(static_cast<size_t>(count) * each.bytes(), worker.CpuTime() - before));
  }

  void MeasurePerftest(size_t bytes, Rates& rates) const {
    if (!options_.perftest) return;
    const PutRate rate = RunPerftest(bytes, {.tls = options_.tls, .one_sided = OverSharedMemory()});
    if (rate.wall > 0) rates.wall.Add(rate.wall / 1e9);
    if (rate.cpu > 0) rates.cpu.Add(rate.cpu / 1e9);
  }

  /// Between the two regions of this process, which are memory of the kind that is handed over.
  void MeasureMemcpy(size_t bytes, Rates& rates) {
    const Duration before = OwnCpuTime();
    size_t copied = 0;
    for (int i = 0; i < kMemcpys; ++i, copied += bytes) {
      const TimePoint start = Clock::System().Now();
      std::memcpy(ours_.region().data, puts_.region().data, bytes);
      rates.wall.Add(Rate(bytes, Clock::System().Now() - start));
    }
    rates.cpu.Add(Rate(copied, OwnCpuTime() - before));
  }

  bool OverSharedMemory() const { return ours_.Path().starts_with("shared memory"); }

  void MeasureCpu() {
    const auto per_handoff = [](DecodeWorker& worker) {
      const Duration before = worker.CpuTime();
      for (int i = 0; i < kHandoffsForCpu; ++i) worker.TakeOver(16, 0);
      return Microseconds(worker.CpuTime() - before) / kHandoffsForCpu;
    };
    cpu_.whole_us.Add(per_handoff(ours_));
    cpu_.tiny_us.Add(per_handoff(tiny_));
  }

  void Print() const;
  void PrintRivals() const;
  void PrintCases() const;
  /// The better of ucx_perftest with as many bytes and of UCX's puts between our regions.
  double Ucx(const Case& each, const Figure& figure) const;
  /// ucx_perftest's best of all sizes.
  double UcxAnywhere() const;

  const Options options_;
  DecodeWorker tiny_;
  DecodeWorker ours_;
  DecodeWorker puts_;
  std::vector<Case> cases_{{1, 0},   {16, 0},   {256, 0},  {256, 4},
                           {256, 1}, {4096, 0}, {4096, 4}, {4096, 1}};
  std::vector<Case> ucx_cases_{{16, 0}, {256, 0}, {4096, 0}};
  std::map<size_t, Rates> perftest_{{64 << 10, {}},
                                    {1 << 20, {}},
                                    {2 << 20, {}},
                                    {size_t{32} << 20, {}},
                                    {size_t{512} << 20, {}}};
  std::map<size_t, Rates> memcpy_{{2 << 20, {}}, {size_t{32} << 20, {}}, {size_t{512} << 20, {}}};
  CpuTimes cpu_;
  double first_us_ = 0;
  double first_put_us_ = 0;
  std::optional<transport::PathCost> path_cost_;
};

double Bench::Ucx(const Case& each, const Figure& figure) const {
  double best = figure(perftest_.at(each.bytes()));
  for (const Case& puts : ucx_cases_) {
    if (puts.bytes() == each.bytes()) best = std::max(best, figure(puts.handoff));
  }
  return best;
}

double Bench::UcxAnywhere() const {
  double best = 0;
  for (const auto& [size, rates] : perftest_) {
    if (!rates.wall.empty()) best = std::max(best, rates.wall.greatest());
  }
  return best;
}

void PrintRates(const std::string& name, const Rates& rates) {
  if (rates.wall.empty()) return;
  std::printf("%-34s %8.2f %8.2f %8.2f\n", name.c_str(), rates.wall.greatest(), rates.wall.median(),
              MedianCpu(rates));
}

std::string Size(size_t bytes) { return FormatBytes(static_cast<int64_t>(bytes)); }

void Bench::PrintRivals() const {
  std::printf("\n%-34s %8s %8s %8s\n", "GB/s", "best", "median", "CPU");
  for (const auto& [bytes, rates] : memcpy_) PrintRates("memcpy of " + Size(bytes), rates);
  for (const auto& [bytes, rates] : perftest_)
    PrintRates("ucx_perftest put of " + Size(bytes), rates);
  for (const Case& each : ucx_cases_) {
    PrintRates("hand-off by UCX's puts, " + Size(each.bytes()), each.handoff);
  }
}

void Bench::PrintCases() const {
  std::printf("\n%7s %9s %5s | %-25s | %8s | %8s | %s\n", "", "", "runs", "hand-off, GB/s", "put",
              "hand-off", "hand-off in % of");
  std::printf("%7s %9s %5s | %8s %8s %7s | %8s | %8s | %8s %8s %7s %7s\n", "tokens", "KV", "of",
              "best", "median", "CPU", "GB/s", "least us", "UCX", "UCX, CPU", "memcpy", "any UCX");
  const auto percent = [](double ours, double rival) { return rival > 0 ? 100 * ours / rival : 0; };
  for (const Case& each : cases_) {
    const double best = each.handoff.wall.greatest();
    const double cpu = MedianCpu(each.handoff);
    std::printf(
        "%7d %9s %5s | %8.2f %8.2f %7.2f | %8.2f | %8.0f | %8.0f %8.0f %7.0f %7.0f\n", each.tokens,
        Size(each.bytes()).c_str(), each.run == 0 ? "all" : std::to_string(each.run).c_str(), best,
        each.handoff.wall.median(), cpu, each.put.greatest(), each.handoff_us.least(),
        percent(best, Ucx(each, BestWall)), percent(cpu, Ucx(each, MedianCpu)),
        percent(best, memcpy_.at(each.bytes()).wall.greatest()), percent(best, UcxAnywhere()));
  }
}

void Bench::Print() const {
  std::printf("Llama 3 8B: 128 KiB of KV per token, blocks of 16 tokens, which go whole (2 MiB)\n");
  std::printf("path: %s; %d rounds; CPU: per second of CPU time, median\n", ours_.Path().c_str(),
              options_.rounds);
  PrintRivals();
  PrintCases();
  std::printf(
      "\nUCX: the better of ucx_perftest with as many bytes and UCX's puts between the same\n"
      "regions; any UCX: ucx_perftest's best, between two buffers that stay in the cache\n");
  std::printf("the first hand-off, of %d tokens: %.0f us; by UCX's puts: %.0f us\n", kMostTokens,
              first_us_, first_put_us_);
  if (path_cost_) {
    std::printf(
        "a put costs %.2f us, a transfer %.2f us more, bytes go at %.1f GB/s: pieces of a block\n"
        "from %s on, groups of %d layers for chunks of 512 tokens\n",
        Microseconds(path_cost_->per_put), Microseconds(path_cost_->per_transfer),
        path_cost_->bytes_per_s / 1e9, FormatBytes(handoff::LeastPieceBytes(*path_cost_)).c_str(),
        handoff::LayersPerGroup(*path_cost_, kLlama, 512));
  }
  std::printf("CPU time of both sides per hand-off of 16 tokens: %.1f us at least, %.1f median\n",
              cpu_.whole_us.least(), cpu_.whole_us.median());
  std::printf("the same with 512 bytes of KV instead of 2 MiB:   %.1f us at least, %.1f median\n",
              cpu_.tiny_us.least(), cpu_.tiny_us.median());
}

std::optional<Options> ParseArguments(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--no-perftest") {
      options.perftest = false;
    } else if (name == "--tls" && i + 1 < argc) {
      options.tls = argv[++i];
    } else if (name == "--rounds" && i + 1 < argc) {
      options.rounds = std::max(1, std::atoi(argv[++i]));
    } else {
      return std::nullopt;
    }
  }
  return options;
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "prefill") == 0) {
    ServePrefills(DecodeArguments({argv + 1, argv + argc}));
  }
  std::optional<Options> options = ParseArguments(argc, argv);
  if (!options) {
    std::fprintf(stderr, "usage: transport [--tls UCX_TLS] [--rounds N] [--no-perftest]\n");
    return 2;
  }
  if (options->perftest && !HasProgram("ucx_perftest")) {
    std::fprintf(stderr, "ucx_perftest is missing (Debian: ucx-utils): no figures of UCX's own\n");
    options->perftest = false;
  }
  return Bench(*options).Run();
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) { return baton::bench::Main(argc, argv); }
