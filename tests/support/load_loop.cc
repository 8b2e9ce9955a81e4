#include "support/load_loop.h"

#include "baton/base/gate.h"

namespace baton::test {
namespace {

/// A client that was refused does not ask again at once.
constexpr Duration kPause = std::chrono::milliseconds(200);

}  // namespace

LoadLoop::LoadLoop(uint16_t port, const std::vector<CompletionBody>& bodies, int clients)
    : bodies_(bodies) {
  for (int i = 0; i < clients; ++i) clients_.emplace_back([this, port] { Run(port); });
}

void LoadLoop::Run(uint16_t port) {
  Gate pause;
  while (!stop_) {
    Answer answer{.body = next_++ % bodies_.size(), .begin = Clock::System().Now()};
    answer.outcome = Complete(port, bodies_[answer.body]);
    answer.end = Clock::System().Now();
    const bool finished = answer.finished();
    {
      std::lock_guard lock(mutex_);
      answers_.push_back(std::move(answer));
    }
    if (!finished) pause.Wait(kPause);
  }
}

std::vector<LoadLoop::Answer> LoadLoop::Stop() {
  stop_ = true;
  clients_.clear();
  return answers();
}

std::vector<LoadLoop::Answer> LoadLoop::answers() const {
  std::lock_guard lock(mutex_);
  return answers_;
}

}  // namespace baton::test
