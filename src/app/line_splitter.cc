#include "baton/app/line_splitter.h"

#include <algorithm>

namespace baton::app {

void LineSplitter::Append(std::string_view bytes, const Take& take) {
  while (!bytes.empty()) {
    if (bytes.front() == '\n') {
      take(pending_);
      pending_.clear();
      bytes.remove_prefix(1);
      continue;
    }
    if (pending_.size() == kLongestLine) Finish(take);
    const size_t line = std::min(bytes.find('\n'), bytes.size());
    const size_t length = std::min(line, kLongestLine - pending_.size());
    pending_ += bytes.substr(0, length);
    bytes.remove_prefix(length);
  }
}

void LineSplitter::Finish(const Take& take) {
  if (!pending_.empty()) take(pending_);
  pending_.clear();
}

}  // namespace baton::app
