#include "breaker.h"

#include <algorithm>

#include "baton/base/logging.h"

namespace baton::router {

bool Breakers::Lets(const std::string& worker, TimePoint now) const {
  const auto found = breakers_.find(worker);
  if (found == breakers_.end()) return true;
  const Breaker& breaker = found->second;
  return breaker.state == State::kClosed || (breaker.state == State::kOpen && now >= breaker.until);
}

void Breakers::OnSent(const std::string& worker, TimePoint now) {
  Breaker& breaker = Of(worker);
  if (breaker.state == State::kOpen && now >= breaker.until) Set(breaker, State::kTrying);
}

void Breakers::OnServed(const std::string& worker) {
  const auto found = breakers_.find(worker);
  if (found == breakers_.end()) return;
  Breaker& breaker = found->second;
  if (breaker.state != State::kClosed) {
    BATON_LOG(Info) << "worker " << worker << " serves again";
  }
  Set(breaker, State::kClosed);
  breaker.failures = 0;
  breaker.span = Duration::zero();
}

void Breakers::OnFailed(const std::string& worker, TimePoint sent, TimePoint now) {
  Breaker& breaker = Of(worker);
  if (sent < breaker.failed_at) return;
  breaker.failed_at = now;
  ++breaker.failures;
  const bool tried = breaker.state == State::kTrying;
  if (breaker.state == State::kOpen || (!tried && breaker.failures < options_.failures)) return;
  breaker.span = breaker.span == Duration::zero() ? options_.shortest
                                                  : std::min(2 * breaker.span, options_.longest);
  breaker.until = now + breaker.span;
  Set(breaker, State::kOpen);
  BATON_LOG(Warning) << "worker " << worker << " failed " << breaker.failures
                     << " times in a row: it gets no request for " << Seconds(breaker.span)
                     << " s unless no other is left";
}

void Breakers::OnDropped(const std::string& worker) {
  const auto found = breakers_.find(worker);
  if (found == breakers_.end() || found->second.state != State::kTrying) return;
  Set(found->second, State::kOpen);  // For the next to try.
}

void Breakers::Forget(const std::string& worker) {
  const auto found = breakers_.find(worker);
  if (found == breakers_.end()) return;
  Set(found->second, State::kClosed);
  breakers_.erase(found);
}

Breakers::Breaker& Breakers::Of(const std::string& worker) {
  const auto [found, fresh] = breakers_.try_emplace(worker);
  if (fresh) found->second.gauge = &metrics_.Breaker(worker);
  return found->second;
}

void Breakers::Set(Breaker& breaker, State state) {
  not_closed_ += (state != State::kClosed) - (breaker.state != State::kClosed);
  breaker.state = state;
  breaker.gauge->Set(state == State::kOpen ? 2 : state == State::kTrying ? 1 : 0);
}

}  // namespace baton::router
