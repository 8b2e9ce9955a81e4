#include "baton/api/running_calls.h"

#include <string>
#include <utility>

namespace baton::api {

std::unique_ptr<RunningCalls::Place> RunningCalls::Enter(ApiError& error) {
  const int running = ++running_;
  ++unanswered_;
  auto place = std::make_unique<Place>(*this);
  // Asked after counting: Drain() either sees this completion or is seen here.
  if (draining_) {
    error = {503, "the server is shutting down", {}, "service_unavailable"};
    return nullptr;
  }
  if (running > limit_) {
    error = {429,
             "too many requests at once: at most " + std::to_string(limit_) + " may run",
             {},
             "rate_limit_exceeded"};
    return nullptr;
  }
  return place;
}

void RunningCalls::Drain() {
  draining_ = true;
  if (unanswered_ == 0) idle_.Open();
}

void RunningCalls::Place::LeaveRoom() {
  if (!std::exchange(left_, true)) --calls_.running_;
}

RunningCalls::Place::~Place() {
  LeaveRoom();
  if (--calls_.unanswered_ == 0 && calls_.draining_) calls_.idle_.Open();
}

}  // namespace baton::api
