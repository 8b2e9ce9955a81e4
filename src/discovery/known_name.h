#pragma once

#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/outbound/resolver.h"

namespace baton::discovery {

/// What is taken for the addresses of a name, by one answer after the other.
class KnownName {
 public:
  /// For how long a name that had addresses must have none before that is believed: servers say so
  /// too while they start.
  static constexpr Duration kBelieveNone = std::chrono::seconds(30);

  explicit KnownName(std::string name) : name_(std::move(name)) {}

  /// Fails with what is wrong where the answer is not taken for true.
  Status Learn(Result<outbound::Addresses> answer, TimePoint now);
  const std::string& name() const { return name_; }
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  const std::string name_;
  std::vector<std::string> addresses_;
  /// Since when it has none, as all answers said.
  std::optional<TimePoint> none_since_;
};

}  // namespace baton::discovery
