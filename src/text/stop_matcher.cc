#include "baton/text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace baton::text {

/// The prefixes of all stops, and where each goes on the next byte. *Threads*: immutable.
class StopMatcher::Automaton {
 public:
  explicit Automaton(const std::vector<std::string>& stops) {
    nodes_.emplace_back();
    for (size_t i = 0; i < stops.size(); ++i) AddStop(stops[i], static_cast<int>(i));
    Link();
  }

  struct Node {
    Node() { std::fill(std::begin(next), std::end(next), -1); }

    /// Length of the prefix that this node stands for.
    size_t depth = 0;
    /// The longest stop that ends here, or -1, and its length.
    int stop = -1;
    size_t stop_bytes = 0;
    int32_t next[256];
  };
  const Node& node(int32_t state) const { return nodes_[static_cast<size_t>(state)]; }

 private:
  void AddStop(const std::string& stop, int index);
  void Link();

  std::vector<Node> nodes_;
};

void StopMatcher::Automaton::AddStop(const std::string& stop, int index) {
  if (stop.empty()) return;
  int32_t at = 0;
  for (char c : stop) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (nodes_[at].next[byte] < 0) {
      nodes_[at].next[byte] = static_cast<int32_t>(nodes_.size());
      const size_t depth = nodes_[at].depth + 1;
      nodes_.emplace_back().depth = depth;
    }
    at = nodes_[at].next[byte];
  }
  if (nodes_[at].stop >= 0) return;
  nodes_[at].stop = index;
  nodes_[at].stop_bytes = stop.size();
}

/// Fills in, breadth first, where each node goes on a byte that its own stop does not have next: to
/// the longest proper suffix that is a prefix of some stop.
void StopMatcher::Automaton::Link() {
  std::vector<int32_t> suffix(nodes_.size(), 0);
  std::vector<int32_t> queue = {0};
  for (size_t head = 0; head < queue.size(); ++head) {
    const int32_t at = queue[head];
    for (int byte = 0; byte < 256; ++byte) {
      const int32_t fallback = at == 0 ? 0 : nodes_[suffix[at]].next[byte];
      int32_t& next = nodes_[at].next[byte];
      if (next < 0) {
        next = fallback;
        continue;
      }
      suffix[next] = fallback;
      if (nodes_[next].stop < 0) {
        nodes_[next].stop = nodes_[fallback].stop;
        nodes_[next].stop_bytes = nodes_[fallback].stop_bytes;
      }
      queue.push_back(next);
    }
  }
}

StopMatcher::StopMatcher(const std::vector<std::string>& stops, bool include_stop_in_output)
    : automaton_(std::make_shared<const Automaton>(stops)), include_stop_(include_stop_in_output) {}

StopMatcher::Match StopMatcher::Push(std::string_view text) {
  if (done_) return {};
  for (size_t i = 0; i < text.size(); ++i) {
    state_ = automaton_->node(state_).next[static_cast<uint8_t>(text[i])];
    const Automaton::Node& node = automaton_->node(state_);
    if (node.stop < 0) continue;
    done_ = true;
    held_ += text.substr(0, i + 1);
    if (!include_stop_) held_.resize(held_.size() - node.stop_bytes);
    return {std::exchange(held_, {}), true, static_cast<size_t>(node.stop)};
  }
  held_ += text;
  const size_t keep = automaton_->node(state_).depth;
  Match match;
  match.text = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return match;
}

std::string StopMatcher::Finish() {
  done_ = true;
  return std::exchange(held_, {});
}

}  // namespace baton::text
