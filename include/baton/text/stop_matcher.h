#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::text {

/// Finds the first stop string in text that arrives in pieces, and holds back exactly the longest
/// suffix that may still begin one. Of the stops that end first, the one that begins first counts.
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
  explicit StopMatcher(std::vector<std::string> stops, bool include_stop_in_output = false);

  /// After a match nothing more is released.
  Match Push(std::string_view text);
  /// Releases what is held back, once the text has ended without a match.
  std::string Finish();

 private:
  struct Node {
    /// Length of the prefix that this node stands for.
    size_t depth = 0;
    /// The longest stop that ends here, or -1.
    int stop = -1;
    int32_t next[256];
  };
  void AddStop(const std::string& stop, int index);
  void Link();

  std::vector<std::string> stops_;
  const bool include_stop_;
  std::vector<Node> nodes_;
  int32_t state_ = 0;
  std::string held_;
  bool done_ = false;
};

}  // namespace baton::text
