#include "baton/api/running_calls.h"

#include <string>
#include <utility>

namespace baton::api {

std::unique_ptr<RunningCalls::Place> RunningCalls::Enter(access::Caller caller, ApiError& error) {
  const int running = ++running_;
  ++unanswered_;
  auto place = std::make_unique<Place>(*this, std::move(caller));
  // Asked after counting: Drain() either sees this completion or is seen here.
  if (draining_) {
    error = {503, "the server is shutting down", {}, "service_unavailable"};
    return nullptr;
  }
  const int limit = limit_;
  if (running > limit) {
    error = {429,
             "too many requests at once: at most " + std::to_string(limit) + " may run",
             {},
             "rate_limit_exceeded"};
    return nullptr;
  }
  if (place->caller_.use) {
    const auto reached = place->caller_.use->Enter(place->caller_.limits, clock_.Now());
    if (reached) {
      error = {429,
               "the key '" + place->caller_.name + "' has reached its limit: " + reached->limit +
                   " is " + std::to_string(reached->most),
               {},
               "rate_limit_exceeded",
               reached->retry_after_s};
      return nullptr;
    }
    place->of_key_ = true;
  }
  return place;
}

void RunningCalls::Drain() {
  draining_ = true;
  if (unanswered_ == 0) idle_.Open();
}

void RunningCalls::Place::LeaveRoom() {
  if (std::exchange(left_, true)) return;
  --calls_.running_;
  if (of_key_) caller_.use->Leave();
}

RunningCalls::Place::~Place() {
  LeaveRoom();
  if (--calls_.unanswered_ == 0 && calls_.draining_) calls_.idle_.Open();
}

}  // namespace baton::api
