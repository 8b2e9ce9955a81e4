// What it costs to look for reasoning and calls of tools in an output, per token of four bytes.
#include <string>

#include <benchmark/benchmark.h>

#include "baton/api/output_reader.h"

namespace baton::bench {
namespace {

constexpr size_t kTokenBytes = 4;
constexpr size_t kTextBytes = 64 * 1024;

std::string Repeated(const std::string& piece) {
  std::string text;
  while (text.size() < kTextBytes) text += piece;
  return text;
}

void ReadTokens(benchmark::State& state, api::ToolFormat format, const std::string& text) {
  const api::OutputReading reading{
      .tools = format, .tool_names = {"f"}, .reasoning = api::ReasoningFormat::kThink};
  for (auto _ : state) {
    api::OutputReader reader(reading);
    for (size_t at = 0; at < text.size(); at += kTokenBytes) {
      api::ChoiceDelta delta;
      reader.Push(std::string_view(text).substr(at, kTokenBytes), delta);
      benchmark::DoNotOptimize(delta);
    }
  }
  const auto tokens = static_cast<double>(text.size() / kTokenBytes * state.iterations());
  state.counters["per_token"] =
      benchmark::Counter(tokens, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK_CAPTURE(ReadTokens, Text, api::ToolFormat::kHermes, Repeated("Once upon a time. "));
BENCHMARK_CAPTURE(ReadTokens, Reasoning, api::ToolFormat::kHermes,
                  "<think>" + Repeated("Once upon a time. "));
BENCHMARK_CAPTURE(ReadTokens, Arguments, api::ToolFormat::kHermes,
                  R"(<tool_call>{"name":"f","arguments":[)" + Repeated(R"({"a":"b c d"},)"));
BENCHMARK_CAPTURE(ReadTokens, Calls, api::ToolFormat::kHermes,
                  Repeated(R"(<tool_call>{"name":"f","arguments":{"a":"b c d"}}</tool_call>)"));

}  // namespace
}  // namespace baton::bench
