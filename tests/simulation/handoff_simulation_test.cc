#include <gtest/gtest.h>

#include "baton/base/logging.h"
#include "handoff_world.h"
#include "seeds.h"

/// Three workers of both roles hand prompts to each other while chance cancels, delays, repeats and
/// damages messages, flips bits of KV, cuts links, kills workers and starts them again. The six
/// invariants are checked after every event.
namespace baton::handoff {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kWorkers = 3;

class World {
 public:
  explicit World(uint64_t seed)
      : random_(seed),
        flips_(seed % 3 == 0),
        network_({.seed = seed,
                  .delay = 0.1 * static_cast<double>(seed % 5),
                  .piece_bytes = 16,
                  .flip = flips_ ? 0.03 : 0}) {
    for (size_t i = 0; i < kWorkers; ++i) Start(i);
  }

  void Event() {
    WorldWorker& worker = Any();
    switch (random_.Below(16)) {
      case 0:
      case 1:
        if (WorldWorker* other = OtherJoined(worker)) {
          worker.OfferTo(other->name(), ++last_request_);
        }
        break;
      case 2:
        if (random_.Below(4) == 0) worker.CancelSomething();
        break;
      case 3: worker.FinishGeneration(); break;
      case 4: worker.Replay(); break;
      case 5:
        clock_.Advance(milliseconds(random_.Below(random_.Below(20) == 0 ? 8000 : 200)));
        break;
      case 6: worker.Tick(); break;
      case 7:
        if (random_.Below(30) == 0) Fault();
        break;
      case 8:
      case 9:
      case 10:
      case 11: worker.EngineStep(); break;
      default: worker.transport().Progress();
    }
    if (random_.Below(20) == 0) Notice();
    for (const auto& each : workers_) each->CheckInvariants();
  }

  /// Without further faults everything must come to its end.
  bool ComesToRest() {
    for (int round = 0; round < 2000; ++round) {
      do Notice();
      while (!news_.empty());
      clock_.Advance(milliseconds(250));
      bool rest = true;
      for (const auto& worker : workers_) {
        for (int i = 0; i < 8; ++i) worker->EngineStep();
        worker->FinishGeneration();
        worker->transport().Progress();
        worker->Tick();
        rest = rest && worker->AtRest();
      }
      if (rest) return true;
    }
    return false;
  }

  int64_t commits() const { return commits_ + Sum(&WorldWorker::commits); }
  int64_t failures() const { return failures_ + Sum(&WorldWorker::failures); }
  int64_t redone() const {
    int64_t redone = redone_;
    for (const auto& worker : workers_) redone += worker->decode().Stats().redone;
    return redone;
  }
  const std::vector<std::unique_ptr<WorldWorker>>& workers() const { return workers_; }

 private:
  /// `who` has yet to hear that its join with `of` has ended.
  struct News {
    std::string who;
    std::string of;
  };

  WorldWorker& Any() { return *workers_[random_.Below(kWorkers)]; }

  WorldWorker* OtherJoined(WorldWorker& worker) {
    WorldWorker& other = Any();
    const bool joined = &other != &worker && worker.JoinedWith(other.name());
    return joined ? &other : nullptr;
  }

  void Start(size_t index) {
    if (workers_.size() <= index) workers_.resize(index + 1);
    const std::string name = std::to_string(index) + "/" + std::to_string(++last_start_);
    const bool checksums = flips_ || random_.Below(2) == 0;
    workers_[index] = std::make_unique<WorldWorker>(network_, name, clock_, random_, checksums);
    for (const auto& other : workers_) {
      if (other && other != workers_[index]) JoinBoth(*other, *workers_[index]);
    }
  }

  void JoinBoth(WorldWorker& a, WorldWorker& b) {
    const uint64_t connection = random_.Next();
    a.Join(b, connection);
    b.Join(a, connection);
  }

  void Fault() {
    const size_t index = random_.Below(kWorkers);
    WorldWorker& worker = *workers_[index];
    if (random_.Below(2) == 0) {
      commits_ += worker.commits();
      failures_ += worker.failures();
      redone_ += worker.decode().Stats().redone;
      for (const auto& other : workers_) {
        if (other->JoinedWith(worker.name())) news_.push_back({other->name(), worker.name()});
      }
      network_.Kill(worker.name());
      Start(index);
      return;
    }
    if (WorldWorker* other = OtherJoined(worker)) {
      network_.Sever(worker.name(), other->name());
      news_.push_back({worker.name(), other->name()});
      news_.push_back({other->name(), worker.name()});
    }
  }

  /// Who gives a join up on its own account thereby ends it for the other side too.
  void SpreadNews() {
    for (const auto& a : workers_) {
      for (const auto& b : workers_) {
        if (a != b && a->JoinedWith(b->name()) && !b->JoinedWith(a->name())) {
          news_.push_back({a->name(), b->name()});
        }
      }
    }
  }

  void Notice() {
    if (news_.empty()) SpreadNews();
    if (!news_.empty()) HearNews();
    JoinAgain();
  }

  void HearNews() {
    const size_t index = random_.Below(news_.size());
    const News news = news_[index];
    news_.erase(news_.begin() + static_cast<int64_t>(index));
    for (const auto& worker : workers_) {
      if (worker->name() == news.who) worker->Lose(news.of);
    }
  }

  /// Pairs of which both have noticed.
  void JoinAgain() {
    for (const auto& a : workers_) {
      for (const auto& b : workers_) {
        if (a->name() < b->name() && !a->JoinedWith(b->name()) && !b->JoinedWith(a->name())) {
          JoinBoth(*a, *b);
        }
      }
    }
  }

  template <typename Get>
  int64_t Sum(Get get) const {
    int64_t sum = 0;
    for (const auto& worker : workers_) sum += (worker.get()->*get)();
    return sum;
  }

  ManualClock clock_;
  Random random_;
  /// Bits flip on their way; then every worker checks.
  const bool flips_;
  transport::LoopbackNetwork network_;
  std::vector<std::unique_ptr<WorldWorker>> workers_;
  std::vector<News> news_;
  uint64_t last_request_ = 0;
  int last_start_ = 0;
  int64_t commits_ = 0;
  int64_t failures_ = 0;
  int64_t redone_ = 0;
};

simulation::Counts RunSeed(uint64_t seed) {
  World world(seed);
  for (int event = 0; event < 3000; ++event) {
    world.Event();
    if (!testing::Test::HasFailure()) continue;
    ADD_FAILURE() << "at event " << event;
    return {};
  }
  EXPECT_TRUE(world.ComesToRest())
      << world.workers()[0]->decode().DebugString() << world.workers()[0]->prefill().DebugString();
  return {{"commits", world.commits()}, {"failures", world.failures()}, {"redone", world.redone()}};
}

TEST(HandoffSimulation, KeepsItsInvariantsUnderRandomFaults) {
  SetLogLevel(LogLevel::kError);
  simulation::Counts counts =
      simulation::RunSeeds({.test = "simulation.handoff", .count = 150, .run = RunSeed});
  if (simulation::OneSeedOnly() || HasFailure()) return;
  // Runs in which nothing happens would prove nothing.
  EXPECT_GT(counts["commits"], 6 * counts["seeds"]);
  EXPECT_GT(counts["failures"], 2 * counts["seeds"]);
  EXPECT_GT(2 * counts["redone"], counts["seeds"]);
}

}  // namespace
}  // namespace baton::handoff
