#include "baton/telemetry/trace_writer.h"

#include <cctype>
#include <fstream>
#include <utility>

#include <pthread.h>

#include "baton/base/logging.h"

namespace baton::telemetry {
namespace {

namespace fs = std::filesystem;

/// Traces that may wait for the disk.
constexpr size_t kWaitingTraces = 64;
constexpr size_t kLongestName = 128;
constexpr char kHelp[] = "Traces of requests, by what became of them";

/// Whole or not at all, so that nobody reads half a file.
bool WriteFile(const fs::path& path, const std::string& content) {
  const fs::path partial = path.string() + ".partial";
  std::ofstream out(partial, std::ios::binary);
  out << content;
  out.close();
  std::error_code error;
  if (out) fs::rename(partial, path, error);
  if (out && !error) return true;
  fs::remove(partial, error);
  return false;
}

}  // namespace

Result<std::unique_ptr<TraceWriter>> TraceWriter::Create(const TraceWriterOptions& options,
                                                         MetricRegistry& registry) {
  std::error_code error;
  fs::create_directories(options.folder, error);
  const fs::path probe = options.folder / ".baton";
  if (error || !WriteFile(probe, "")) {
    return InvalidArgument("telemetry.trace_folder: nothing can be written into '" +
                           options.folder.string() + "'");
  }
  fs::remove(probe, error);
  return std::unique_ptr<TraceWriter>(new TraceWriter(options, registry));
}

TraceWriter::TraceWriter(const TraceWriterOptions& options, MetricRegistry& registry)
    : options_(options),
      written_(registry.AddCounter("baton_traces_total", kHelp, {{"outcome", "written"}})),
      failed_(registry.AddCounter("baton_traces_total", kHelp, {{"outcome", "failed"}})),
      dropped_(registry.AddCounter("baton_traces_total", kHelp, {{"outcome", "dropped"}})),
      mailbox_(kWaitingTraces),
      thread_([this](const std::stop_token& stop) {
        pthread_setname_np(pthread_self(), "traces");
        Run(stop);
      }) {}

TraceWriter::~TraceWriter() {
  thread_.request_stop();
  mailbox_.Close();
}

void TraceWriter::Write(std::string request, std::vector<ProcessTrace> processes) {
  if (!mailbox_.TrySend({std::move(request), std::move(processes)})) dropped_.Increment();
}

void TraceWriter::Run(const std::stop_token& stop) {
  while (true) {
    const auto job = mailbox_.Receive(std::chrono::hours(1));
    if (job) {
      WriteOne(*job);
    } else if (stop.stop_requested()) {
      return;
    }
  }
}

void TraceWriter::WriteOne(const Job& job) {
  const fs::path path = options_.folder / FileName(job.request);
  if (!WriteFile(path, ChromeTraceJson(job.request, job.processes))) {
    failed_.Increment();
    if (!std::exchange(failing_, true)) {
      BATON_LOG(Error) << "a trace could not be written to " << path.string()
                       << "; further failures are only counted";
    }
    return;
  }
  failing_ = false;
  written_.Increment();
  files_.push_back(path);
  if (files_.size() <= static_cast<size_t>(options_.files)) return;
  std::error_code error;
  fs::remove(files_.front(), error);
  files_.pop_front();
}

std::string TraceWriter::FileName(const std::string& request) {
  std::string name = request.substr(0, kLongestName);
  for (char& c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    if (!plain) c = '_';
  }
  return (name.empty() ? "_" : name) + ".json";
}

}  // namespace baton::telemetry
