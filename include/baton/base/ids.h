#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <type_traits>

#include "baton/base/status.h"

namespace baton {

/// Index of a KV block in its worker's pool. kNoBlock where there is none.
enum class BlockId : int32_t {};
inline constexpr BlockId kNoBlock{-1};

/// A sequence inside one engine; never reused within a process.
enum class SequenceId : uint64_t {};

/// One hand-off, unique per decode worker epoch.
enum class HandoffId : uint64_t {};

/// A token of the model's vocabulary.
using TokenId = int32_t;

/// One incarnation of a worker process: random at start, so that a restart is another peer.
struct Epoch {
  uint64_t high = 0;
  uint64_t low = 0;

  /// 32 lower-case hexadecimal digits.
  std::string ToString() const;
  /// Fails with InvalidArgument when `text` is not 32 hexadecimal digits.
  static Result<Epoch> Parse(const std::string& text);
  /// From the system's entropy source.
  static Epoch Random();

  auto operator<=>(const Epoch&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Epoch& epoch) {
    return out << epoch.ToString();
  }
};

template <typename Id>
requires std::is_enum_v<Id>
constexpr auto Index(Id id) { return static_cast<std::underlying_type_t<Id>>(id); }

}  // namespace baton

template <>
struct std::hash<baton::Epoch> {
  size_t operator()(const baton::Epoch& epoch) const { return epoch.high ^ epoch.low; }
};
