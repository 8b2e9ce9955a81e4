#include "baton/loadgen/trace.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "trace_lines.h"

namespace baton::loadgen {
namespace {

constexpr int32_t kMooncakeBlockTokens = 512;
constexpr std::string_view kAzureHeader = "TIMESTAMP,ContextTokens,GeneratedTokens";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

int32_t Scaled(int32_t length, double scale, int32_t most) {
  const double scaled = std::round(length * scale);
  return static_cast<int32_t>(std::clamp(scaled, 1.0, static_cast<double>(most)));
}

Duration ScaledTime(Duration at, double scale) {
  return Duration(static_cast<int64_t>(static_cast<double>(at.count()) * scale));
}

/// Puts requests into the order of their times, which begin at 0.
void Settle(Trace& trace) {
  const auto earlier = [](const TraceRequest& a, const TraceRequest& b) { return a.at < b.at; };
  std::stable_sort(trace.requests.begin(), trace.requests.end(), earlier);
  const Duration first = trace.requests.front().at;
  for (TraceRequest& request : trace.requests) request.at -= first;
}

/// Spreads requests that have the same time evenly until the next time, or after the last one for
/// as long as between the two before.
void SpreadEqualTimes(std::vector<TraceRequest>& requests) {
  Duration gap{};
  for (size_t begin = 0; begin < requests.size();) {
    const Duration at = requests[begin].at;
    size_t end = begin + 1;
    while (end < requests.size() && requests[end].at == at) ++end;
    if (end < requests.size()) gap = requests[end].at - at;
    const auto count = static_cast<int64_t>(end - begin);
    for (int64_t i = 0; i < count; ++i, ++begin) requests[begin].at += gap * i / count;
  }
}

}  // namespace

double Trace::Rate() const {
  if (requests.size() < 2 || requests.back().at <= Duration::zero()) return 0;
  return static_cast<double>(requests.size() - 1) / Seconds(requests.back().at);
}

Result<Trace> ParseTrace(std::istream& in, const std::string& name) {
  Trace trace;
  bool azure = false;
  int64_t number = 0;
  for (std::string text; std::getline(in, text);) {
    ++number;
    std::string_view line = text;
    if (number == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (number == 1 && line == kAzureHeader) azure = true;
    if (line.empty() || (azure && number == 1)) continue;
    auto request = azure ? ParseAzureLine(line) : ParseMooncakeLine(line);
    if (!request.ok()) return request.status().WithContext(name + ":" + std::to_string(number));
    trace.requests.push_back(*std::move(request));
  }
  if (trace.requests.empty()) return InvalidArgument(name + ": holds no request");
  trace.block_tokens = azure ? 0 : kMooncakeBlockTokens;
  Settle(trace);
  // Mooncake's times were rounded to three seconds, in which up to 28 requests came.
  if (!azure) SpreadEqualTimes(trace.requests);
  return trace;
}

Result<Trace> ReadTrace(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path)) {
    return NotFound(path.string() + ": cannot be read");
  }
  return ParseTrace(in, path.string());
}

Trace ChangeTrace(Trace trace, const TraceChanges& changes) {
  for (TraceRequest& request : trace.requests) {
    request.at = ScaledTime(request.at, changes.time_scale);
    request.prompt_tokens =
        Scaled(request.prompt_tokens, changes.length_scale, changes.most_prompt_tokens);
    request.output_tokens =
        Scaled(request.output_tokens, changes.length_scale, changes.most_output_tokens);
  }
  trace.block_tokens =
      trace.block_tokens == 0 ? 0 : Scaled(trace.block_tokens, changes.length_scale, INT32_MAX);
  std::erase_if(trace.requests,
                [&](const TraceRequest& request) { return request.at >= changes.extent.duration; });
  const auto most = static_cast<int64_t>(trace.requests.size());
  trace.requests.resize(static_cast<size_t>(std::min(changes.extent.requests, most)));
  return trace;
}

}  // namespace baton::loadgen
