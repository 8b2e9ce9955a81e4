#pragma once

#include <string>
#include <string_view>

#include "baton/base/clock.h"
#include "baton/loadgen/record.h"
#include "baton/loadgen/stream_client.h"
#include "sse_reader.h"

namespace baton::loadgen {

/// Reads one streamed answer into its record.
class Answer {
 public:
  explicit Answer(Record& record) : record_(record) {}

  /// `now` counts from the start of the load.
  void OnBytes(int http_status, std::string_view bytes, Duration now);
  void OnEnd(const CallEnd& end, Duration now);

 private:
  void OnEvent(std::string_view data, Duration now);
  void Fail(std::string kind, std::string message);

  Record& record_;
  SseReader events_;
  /// Of a refusal, as far as it is looked at.
  std::string refusal_;
  bool done_ = false;
};

}  // namespace baton::loadgen
