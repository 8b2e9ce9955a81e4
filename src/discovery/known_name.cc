#include "known_name.h"

#include <utility>

namespace baton::discovery {

Status KnownName::Learn(Result<outbound::Addresses> answer, TimePoint now) {
  if (answer.ok()) {
    none_since_.reset();
    addresses_ = std::move(answer->addresses);
    return OkStatus();
  }
  if (answer.status().code() != StatusCode::kNotFound) {
    none_since_.reset();
    return answer.status();
  }
  if (!none_since_) none_since_ = now;
  if (now - *none_since_ >= kBelieveNone) addresses_.clear();
  return addresses_.empty() ? OkStatus() : answer.status();
}

}  // namespace baton::discovery
