#include "sse_reader.h"

namespace baton::loadgen {

void SseReader::Read(std::string_view bytes, const Take& take) {
  while (!bytes.empty()) {
    if (after_return_ && bytes.front() == '\n') bytes.remove_prefix(1);
    after_return_ = false;
    const size_t end = bytes.find_first_of("\r\n");
    if (end == std::string_view::npos) {
      partial_ += bytes;
      return;
    }
    after_return_ = bytes[end] == '\r';
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (partial_.empty()) {
      ReadLine(line, take);
    } else {
      partial_ += line;
      ReadLine(partial_, take);
      partial_.clear();
    }
  }
}

void SseReader::ReadLine(std::string_view line, const Take& take) {
  constexpr std::string_view kData = "data:";
  if (line.empty()) {
    if (has_data_) take(data_);
    data_.clear();
    has_data_ = false;
  } else if (line.starts_with(kData)) {
    line.remove_prefix(kData.size());
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += line;
    has_data_ = true;
  }
}

}  // namespace baton::loadgen
