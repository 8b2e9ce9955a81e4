#pragma once

#include <string>
#include <vector>

#include "baton/api/completion_backend.h"
#include "oracle.h"

namespace baton::simulation {

/// A request as its client sees it: checks that what comes is what a lone engine answers.
class SimulatedRequest final : public api::CompletionSink {
 public:
  SimulatedRequest(std::string given_id, size_t at_router, const Expected& expected)
      : id(std::move(given_id)), router(at_router), expected_(expected) {}

  const std::string id;
  const size_t router;
  /// The client gave it up.
  bool cancelled = false;
  /// Nothing may keep it from finishing but the client and the end of its router.
  bool must_finish = false;
  /// Its router was killed: nothing more comes.
  bool lost = false;

  bool ended() const { return ended_; }
  bool over() const { return ended_ || lost; }
  bool finished() const { return ended_ && end_.ok(); }
  const Status& end() const { return end_; }

  void OnRoute(std::string route) override;
  void OnToken(TokenOutput output) override;
  void OnEnd(Status status) override;

 private:
  std::string Describe() const { return "request " + id; }

  const Expected& expected_;
  size_t tokens_ = 0;
  bool complete_ = false;
  bool ended_ = false;
  Status end_;
};

}  // namespace baton::simulation
