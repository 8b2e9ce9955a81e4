// Masks along texts that a model writes: the CPU time of each, cold (the first time in this
// grammar) and warm, over the vocabulary of a folder with a tokenizer.json:
//   BATON_TOKENIZER=<folder> build/release/bin/bench/grammar.masks
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "baton/base/check.h"
#include "baton/grammar/matcher.h"
#include "baton/grammar/sources.h"
#include "baton/text/tokenizer.h"

namespace baton::bench {
namespace {

using grammar::Grammar;
using grammar::Matcher;
using grammar::Vocabulary;

struct Sample {
  /// The grammar's text.
  Result<std::string> (*source)();
  /// A whole text of it.
  std::string text;
};

const char* const kPersonSchema = R"({
  "type": "object",
  "properties": {
    "id": {"type": "integer", "minimum": 1, "maximum": 99999},
    "name": {"type": "string", "minLength": 1, "maxLength": 80},
    "email": {"type": "string", "format": "email"},
    "born": {"type": "string", "format": "date"},
    "role": {"enum": ["admin", "author", "reader"]},
    "score": {"type": "number", "minimum": 0, "maximum": 1},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
    "address": {
      "type": "object",
      "properties": {
        "street": {"type": "string"}, "city": {"type": "string"},
        "zip": {"type": "string", "pattern": "^[0-9]{5}$"}
      },
      "required": ["street", "city"],
      "additionalProperties": false
    },
    "friends": {"type": "array", "items": {"$ref": "#"}}
  },
  "required": ["id", "name", "role", "address"],
  "additionalProperties": false
})";

std::string Choice(int i) { return "the choice number " + std::to_string(i * 7919 % 1000); }

std::map<std::string, Sample> Samples() {
  const std::string person =
      R"({"id": 4711, "name": "Ada Lovelace, countess", "email": "ada@lovelace.example.org", )"
      R"("born": "1815-12-10", "role": "author", "score": 0.875, "tags": ["mathematics", )"
      R"("engines", "notes on sketches"], "address": {"street": "12 St James's Square", )"
      R"("city": "London", "zip": "10115"}})";
  return {
      {"json_object",
       {[]() -> Result<std::string> { return grammar::JsonObject(); },
        R"({"title": "On the analytical engine", "pages": 65, "parts": [{"name": "Note G", )"
        R"("numbers": [1, -0.5, 1.6e-1]}, {"name": "a \"quoted\" title", "deep": {"er": [[true, )"
        R"(null]]}}], "text": "It can do whatever we know how to order it to perform."})"}},
      {"schema",
       {[] { return grammar::FromJsonSchema(kPersonSchema); },
        person.substr(0, person.size() - 1) + ", \"friends\": [" + person + "]}"}},
      {"regex",
       {[] { return grammar::FromRegex("([A-Z][a-z]+ ){2,5}[0-9]{1,3}(, .*)?"); },
        "Saint James Square 12, London, where nobody knew what she was thinking"}},
      {"choice_of_1000",
       {[] {
          std::vector<std::string> choices;
          for (int i = 0; i < 1000; ++i) choices.push_back(Choice(i));
          return grammar::FromChoices(choices);
        },
        Choice(123)}},
      // What nobody writes but to do harm: many ways to read every text.
      {"hostile_gaps",
       {[] { return grammar::FromRegex("(.{0,50}.{0,50}.{0,50}.{0,50}){2,9}x"); },
        "a few words x"}},
      {"hostile_optionals",
       {[] { return grammar::FromRegex("(a?b?c?d?e?f?g?h?){120}"); }, "abcdefghabadbed"}}};
}

const text::Tokenizer& Tokenizer() {
  static const auto tokenizer = [] {
    const char* folder = std::getenv("BATON_TOKENIZER");
    auto loaded = text::Tokenizer::Load(folder != nullptr ? folder : "configs/models/baton-tiny");
    BATON_CHECK(loaded.ok()) << loaded.status();
    return *std::move(loaded);
  }();
  return *tokenizer;
}

std::shared_ptr<const Vocabulary> TheVocabulary() {
  static const auto vocabulary = Vocabulary::Of(Tokenizer(), {Tokenizer().eos().value_or(0)});
  return vocabulary;
}

std::shared_ptr<const Grammar> Compiled(const Sample& sample) {
  const auto source = sample.source();
  BATON_CHECK(source.ok()) << source.status();
  const auto compiled = Grammar::Compile(*source);
  BATON_CHECK(compiled.ok()) << compiled.status();
  return *compiled;
}

double CpuMicroseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

/// Adds the time of the mask before each token of the text.
void WalkText(const std::shared_ptr<const Grammar>& compiled, const std::string& text,
              std::vector<double>& times) {
  Matcher matcher(compiled, TheVocabulary());
  std::vector<uint32_t> mask(TheVocabulary()->mask_words());
  for (const TokenId token : Tokenizer().Encode(text, {.add_special_tokens = false})) {
    const double begin = CpuMicroseconds();
    matcher.FillMask(mask);
    times.push_back(CpuMicroseconds() - begin);
    const bool allowed = (mask[static_cast<size_t>(token) / 32] >> (token % 32) & 1) != 0;
    BATON_CHECK(allowed && matcher.Accept(token)) << Tokenizer().TokenBytes(token);
  }
  BATON_CHECK(matcher.MayEnd());
}

void Report(benchmark::State& state, std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (const double time : times) sum += time;
  state.counters["mean_us"] = sum / static_cast<double>(times.size());
  state.counters["p50_us"] = times[times.size() / 2];
  state.counters["worst_us"] = times.back();
}

void ColdMasks(benchmark::State& state, const Sample& sample) {
  std::vector<double> times;
  for (auto _ : state) WalkText(Compiled(sample), sample.text, times);
  Report(state, times);
}

void WarmMasks(benchmark::State& state, const Sample& sample) {
  std::vector<double> times;
  const auto compiled = Compiled(sample);
  WalkText(compiled, sample.text, times);
  times.clear();
  for (auto _ : state) WalkText(compiled, sample.text, times);
  Report(state, times);
}

/// From the client's text to the automaton.
void Compile(benchmark::State& state, const Sample& sample) {
  for (auto _ : state) benchmark::DoNotOptimize(Compiled(sample));
}

void BuildVocabulary(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Vocabulary::Of(Tokenizer(), {}));
  state.counters["tokens"] = Tokenizer().vocabulary_size();
}
BENCHMARK(BuildVocabulary)->Unit(benchmark::kMillisecond);

const bool kRegistered = [] {
  static const auto samples = Samples();
  for (const auto& [name, sample] : samples) {
    const auto add = [&, &of = sample](const std::string& what, auto function) {
      benchmark::RegisterBenchmark((what + "/" + name).c_str(), function, of)
          ->Unit(benchmark::kMicrosecond)
          ->MinTime(0.2);
    };
    add("ColdMasks", &ColdMasks);
    add("WarmMasks", &WarmMasks);
    add("Compile", &Compile);
  }
  return true;
}();

}  // namespace
}  // namespace baton::bench
