#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::text {

/// Finds the first stop string in text that arrives in pieces, and holds back exactly the longest
/// suffix that may still begin one. Of the stops that end first, the one that begins first counts.
/// Copies share the automaton, a KiB for each byte of the stops, and each match a text of its own.
/// *Threads*: lives on one thread. *Cost*: linear in the text, whatever the stops (Aho-Corasick).
class StopMatcher {
 public:
  struct Match {
    /// Safe to send. With a match: everything before the stop, and the stop itself if so asked.
    std::string text;
    bool matched = false;
    /// Index of the stop in the constructor's order. Meaningless without a match.
    size_t which = 0;
  };

  /// Empty stops are ignored.
  explicit StopMatcher(const std::vector<std::string>& stops, bool include_stop_in_output = false);

  /// After a match nothing more is released.
  Match Push(std::string_view text);
  /// Releases what is held back, once the text has ended without a match.
  std::string Finish();

 private:
  class Automaton;

  std::shared_ptr<const Automaton> automaton_;
  bool include_stop_;
  int32_t state_ = 0;
  std::string held_;
  bool done_ = false;
};

}  // namespace baton::text
