#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace baton::loadgen {

/// Cuts server-sent events out of bytes that come in any pieces; takes all three ends of line.
class SseReader {
 public:
  /// The data of one event, its lines joined by '\n'.
  using Take = std::function<void(std::string_view data)>;

  void Read(std::string_view bytes, const Take& take);

 private:
  void ReadLine(std::string_view line, const Take& take);

  /// Of a line that has not ended.
  std::string partial_;
  std::string data_;
  bool has_data_ = false;
  /// The last line ended with '\r', whose '\n' may follow.
  bool after_return_ = false;
};

}  // namespace baton::loadgen
