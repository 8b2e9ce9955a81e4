#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "baton/base/clock.h"
#include "baton/loadgen/arrivals.h"
#include "baton/loadgen/prompts.h"
#include "baton/loadgen/record.h"
#include "baton/loadgen/request_body.h"
#include "baton/loadgen/stream_client.h"

namespace baton::loadgen {

/// Requests at given times, whatever the server does.
struct OpenLoop {
  std::vector<Duration> due;
};
/// So many requests at once: the next is due when one ends.
struct ClosedLoop {
  int32_t concurrency = 1;
  Extent extent;
};

struct LoadOptions {
  std::variant<OpenLoop, ClosedLoop> loop;
  /// Of the prompts' places.
  uint64_t round = 0;
  RequestFormat format;
  Duration timeout = std::chrono::seconds(600);
};

/// How far a load is, for whoever watches.
struct LoadProgress {
  Duration elapsed{};
  int64_t sent = 0;
  int64_t ended = 0;
  int64_t failed = 0;
  int64_t running = 0;
  int64_t pieces = 0;
  /// 0 where a duration bounds it.
  int64_t requests = 0;
  Duration duration{};
};

struct LoadResult {
  /// In the order in which they were due.
  std::vector<Record> records;
  /// Ended before all was sent and answered.
  bool stopped = false;
  /// The generator's own, over the elapsed time: near 1 it is what limits.
  Duration cpu{};
  Duration elapsed{};
};

/// What a load needs. All outlive it. *Threads*: lives on one thread.
struct LoadParts {
  Clock& clock;
  StreamClient& client;
  const Prompts& prompts;
  /// Called often; may be empty.
  std::function<void(const LoadProgress&)> watch;
  std::stop_token stop;
};

/// Sends a load and reads its answers. When it is asked to stop, cancels what runs and returns what
/// there is.
LoadResult RunLoad(const LoadParts& parts, const LoadOptions& options);

}  // namespace baton::loadgen
