#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include <unistd.h>

#include "baton/rpc/server.h"

/// fake_worker HOST:PORT [GAP_MS]: a mixed worker that computes nothing. It answers each request
/// with as many tokens as it asks for, at once, or one every GAP_MS.
namespace baton {
namespace {

constexpr TokenId kToken = 20;
/// Paced streams do not all speak at the same moment, but in so many turns.
constexpr size_t kTurns = 20;

class FakeWorker final : public rpc::WorkerHandler {
 public:
  explicit FakeWorker(Duration gap) : gap_(gap) {
    if (gap_ > Duration::zero())
      thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
  }

  rpc::WorkerDescription Describe() override {
    rpc::WorkerDescription description{
        .identity = {.epoch = Epoch::Random(),
                     .name = "m0",
                     .geometry = {.layers = 1, .kv_heads = 1, .head_dim = 16, .block_tokens = 16}},
        .role = Role::kMixed,
        .context_tokens = 1 << 20,
        .vocabulary_size = 1 << 20};
    // So that the cost model has something to weigh.
    for (uint64_t i = 1; i <= 8; ++i) {
      const auto n = static_cast<int64_t>(i);
      description.calibration.push_back({.number = i,
                                         .shape = {.prefill_tokens = i % 2 == 0 ? 16 * n : 0,
                                                   .decode_sequences = i % 2 == 0 ? 0 : n,
                                                   .decode_context = i % 2 == 0 ? 0 : 100 * n},
                                         .took = std::chrono::microseconds(100 + 10 * n)});
    }
    return description;
  }
  rpc::WorkerStatus CurrentStatus() override { return {.load = {.available_blocks = 1 << 20}}; }
  void SetPeers(std::vector<rpc::PeerAddress>) override {}
  void OnGenerate(rpc::GenerateCall call, std::shared_ptr<rpc::GenerateStream> stream) override {
    stream->SendRoute("local=m0");
    const auto start = static_cast<int32_t>(call.request.prompt.size());
    const int32_t tokens = call.request.sampling.max_tokens;
    if (gap_ > Duration::zero()) {
      const std::lock_guard lock(mutex_);
      rpc::GenerateStream* const key = stream.get();
      streams_[key] = {std::move(stream), start, start + tokens, ++placed_ % kTurns};
      return;
    }
    for (int32_t i = 0; i < tokens; ++i) SendToken(*stream, start + i, i + 1 == tokens);
    stream->Finish(OkStatus());
  }
  void OnGenerateEnded(rpc::GenerateStream* stream) override {
    const std::lock_guard lock(mutex_);
    streams_.erase(stream);
  }
  void OnJoin(rpc::JoinHello, std::shared_ptr<rpc::JoinStream>) override {}
  void OnJoinAlive(rpc::JoinStream*) override {}
  void OnJoinEnded(rpc::JoinStream*) override {}

 private:
  struct Stream {
    std::shared_ptr<rpc::GenerateStream> stream;
    int32_t position = 0;
    int32_t end = 0;
    size_t turn = 0;
  };

  static void SendToken(rpc::GenerateStream& stream, int32_t position, bool last) {
    stream.SendToken({.token = kToken,
                      .position = position,
                      .finish = last ? FinishReason::kLength : FinishReason::kNone});
  }

  void Run(const std::stop_token& stop) {
    size_t turn = 0;
    auto next = std::chrono::steady_clock::now();
    while (!stop.stop_requested()) {
      std::this_thread::sleep_until(next += gap_ / kTurns);
      ++turn;
      std::vector<Stream> due;
      {
        const std::lock_guard lock(mutex_);
        for (auto it = streams_.begin(); it != streams_.end();) {
          if (it->second.turn != turn % kTurns) {
            ++it;
            continue;
          }
          due.push_back(it->second);
          it = ++it->second.position == it->second.end ? streams_.erase(it) : std::next(it);
        }
      }
      for (const Stream& one : due) {
        const bool last = one.position + 1 == one.end;
        SendToken(*one.stream, one.position, last);
        if (last) one.stream->Finish(OkStatus());
      }
    }
  }

  size_t placed_ = 0;
  const Duration gap_;
  /// Between gRPC's threads and the one that paces.
  std::mutex mutex_;
  std::unordered_map<rpc::GenerateStream*, Stream> streams_;
  std::jthread thread_;
};

}  // namespace
}  // namespace baton

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: fake_worker HOST:PORT [GAP_MS]\n");
    return 2;
  }
  const std::chrono::milliseconds gap(argc > 2 ? std::atoi(argv[2]) : 0);
  baton::FakeWorker worker(gap);
  const auto server =
      baton::rpc::WorkerServer::Start(argv[1], worker, std::chrono::milliseconds(100));
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.status().message().c_str());
    return 1;
  }
  std::printf("%s\n", (*server)->address().c_str());
  std::fflush(stdout);
  pause();
}
