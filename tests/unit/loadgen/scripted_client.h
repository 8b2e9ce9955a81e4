#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "baton/loadgen/stream_client.h"

namespace baton::loadgen {

/// What a server sends for one call, and when, from the call's start.
struct Script {
  struct Piece {
    Duration at{};
    std::string bytes;
  };
  std::vector<Piece> pieces;
  Duration end_at{};
  CallEnd end{.http_status = 200};
};

/// Times of a stream of text pieces that ends with usage and [DONE].
Script StreamScript(const std::vector<Duration>& pieces, int prompt_tokens, int output_tokens);
/// A whole answer at once.
Script AnswerScript(int http_status, const std::string& body);

/// A server and its network on a manual clock, which nothing but waits moves.
class ScriptedClient final : public StreamClient {
 public:
  using Answer = std::function<Script(const HttpCall& call)>;
  ScriptedClient(ManualClock& clock, Answer answer) : clock_(clock), answer_(std::move(answer)) {}

  void Start(HttpCall call, CallHandler& handler) override;
  void Cancel(CallHandler& handler) override;
  void Wait(Duration at_most) override;
  Duration CpuTime() const override { return {}; }

  /// How long each Start() holds up the generator.
  Duration start_takes{};
  size_t most_at_once = 0;
  std::vector<HttpCall> calls;

 private:
  struct Event {
    CallHandler* handler = nullptr;
    std::string bytes;
    bool last = false;
    CallEnd end;
  };

  ManualClock& clock_;
  Answer answer_;
  /// In the order of their times, and of their making for equal ones.
  std::multimap<TimePoint, Event> events_;
  size_t running_ = 0;
};

}  // namespace baton::loadgen
