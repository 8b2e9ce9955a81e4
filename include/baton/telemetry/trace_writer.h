#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "baton/base/mailbox.h"
#include "baton/base/status.h"
#include "baton/telemetry/metrics.h"
#include "baton/telemetry/trace.h"

namespace baton::telemetry {

struct TraceWriterOptions {
  std::filesystem::path folder;
  /// Most files that one writer leaves behind; the oldest goes first.
  int32_t files = 1000;
};

/// Writes the traces of requests into a folder, on a thread of its own: a slow or full disk holds
/// up nobody. *Threads*: thread-safe.
class TraceWriter {
 public:
  /// Makes the folder if need be. `registry` outlives the writer. Fails with InvalidArgument when
  /// nothing can be written there.
  static Result<std::unique_ptr<TraceWriter>> Create(const TraceWriterOptions& options,
                                                     MetricRegistry& registry);
  /// Writes what it was given, then ends.
  ~TraceWriter();

  /// Writes <folder>/<FileName(request)>; drops and counts the trace when the disk does not keep
  /// up.
  void Write(std::string request, std::vector<ProcessTrace> processes);

  /// The request's id with everything replaced that has a meaning in paths, and ".json".
  static std::string FileName(const std::string& request);

 private:
  struct Job {
    std::string request;
    std::vector<ProcessTrace> processes;
  };

  TraceWriter(const TraceWriterOptions& options, MetricRegistry& registry);
  void Run(const std::stop_token& stop);
  void WriteOne(const Job& job);

  const TraceWriterOptions options_;
  Counter& written_;
  Counter& failed_;
  Counter& dropped_;
  Mailbox<Job> mailbox_;
  /// The thread's: files of ours in order of age, and whether the last one could not be written.
  std::deque<std::filesystem::path> files_;
  bool failing_ = false;
  std::jthread thread_;
};

}  // namespace baton::telemetry
