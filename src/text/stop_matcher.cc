#include "baton/text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace baton::text {

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include_stop_in_output)
    : stops_(std::move(stops)), include_stop_(include_stop_in_output) {
  nodes_.emplace_back();
  std::fill(std::begin(nodes_[0].next), std::end(nodes_[0].next), -1);
  for (size_t i = 0; i < stops_.size(); ++i) AddStop(stops_[i], static_cast<int>(i));
  Link();
}

void StopMatcher::AddStop(const std::string& stop, int index) {
  if (stop.empty()) return;
  int32_t at = 0;
  for (char c : stop) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (nodes_[at].next[byte] < 0) {
      nodes_[at].next[byte] = static_cast<int32_t>(nodes_.size());
      const size_t depth = nodes_[at].depth + 1;
      Node& node = nodes_.emplace_back();
      node.depth = depth;
      std::fill(std::begin(node.next), std::end(node.next), -1);
    }
    at = nodes_[at].next[byte];
  }
  if (nodes_[at].stop < 0) nodes_[at].stop = index;
}

/// Fills in, breadth first, where each node goes on a byte that its own stop does not have next: to
/// the longest proper suffix that is a prefix of some stop.
void StopMatcher::Link() {
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
      if (nodes_[next].stop < 0) nodes_[next].stop = nodes_[fallback].stop;
      queue.push_back(next);
    }
  }
}

StopMatcher::Match StopMatcher::Push(std::string_view text) {
  if (done_) return {};
  for (size_t i = 0; i < text.size(); ++i) {
    state_ = nodes_[state_].next[static_cast<uint8_t>(text[i])];
    const int stop = nodes_[state_].stop;
    if (stop < 0) continue;
    done_ = true;
    held_ += text.substr(0, i + 1);
    if (!include_stop_) held_.resize(held_.size() - stops_[stop].size());
    return {std::exchange(held_, {}), true, static_cast<size_t>(stop)};
  }
  held_ += text;
  const size_t keep = nodes_[state_].depth;
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
