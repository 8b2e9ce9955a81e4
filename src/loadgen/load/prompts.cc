#include "baton/loadgen/prompts.h"

#include <algorithm>
#include <fstream>

#include "baton/base/check.h"

namespace baton::loadgen {
namespace {

/// What a stream of random numbers is for: streams of different uses never meet.
enum class Use : uint32_t { kLengths = 1, kText = 2, kPrefix = 3, kBlock = 4, kOrder = 5 };

Random Stream(uint64_t seed, Use use, const PromptPlace& place) {
  const auto index = static_cast<uint64_t>(place.index);
  const auto words = Philox4x32({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                                 static_cast<uint32_t>(place.round), static_cast<uint32_t>(use)},
                                seed);
  return Random((uint64_t{words[0]} << 32) | words[1]);
}

class SyntheticPrompts final : public Prompts {
 public:
  SyntheticPrompts(const SyntheticOptions& options, WordList words)
      : options_(options), words_(std::move(words)) {}

  Prompt Make(const PromptPlace& place) const override {
    Random lengths = Stream(options_.seed, Use::kLengths, place);
    Prompt prompt;
    prompt.prompt_tokens = options_.prefix_tokens + options_.prompt_tokens.Draw(lengths);
    prompt.output_tokens = options_.output_tokens.Draw(lengths);
    if (options_.prefix_tokens > 0) {
      const uint64_t prefix = lengths.Below(static_cast<uint64_t>(options_.prefixes));
      words_.Append(prompt.shared, options_.prefix_tokens,
                    Stream(options_.seed, Use::kPrefix, {0, static_cast<int64_t>(prefix)}));
    }
    const int32_t own = prompt.prompt_tokens - options_.prefix_tokens - words_.overhead();
    words_.Append(prompt.text, std::max(own, 1), Stream(options_.seed, Use::kText, place));
    return prompt;
  }

 private:
  const SyntheticOptions options_;
  const WordList words_;
};

class TextPrompts final : public Prompts {
 public:
  TextPrompts(std::vector<std::string> lines, const SyntheticOptions& options)
      : lines_(std::move(lines)), options_(options) {
    BATON_CHECK(!lines_.empty());
    Random random = Stream(options_.seed, Use::kOrder, {});
    for (size_t i = lines_.size(); i > 1; --i) std::swap(lines_[i - 1], lines_[random.Below(i)]);
  }

  Prompt Make(const PromptPlace& place) const override {
    Random lengths = Stream(options_.seed, Use::kLengths, place);
    return {.text = lines_[static_cast<size_t>(place.index) % lines_.size()],
            .output_tokens = options_.output_tokens.Draw(lengths)};
  }

 private:
  std::vector<std::string> lines_;
  const SyntheticOptions options_;
};

class TracePrompts final : public Prompts {
 public:
  TracePrompts(Trace trace, uint64_t seed, WordList words)
      : trace_(std::move(trace)), seed_(seed), words_(std::move(words)) {
    BATON_CHECK(!trace_.requests.empty());
  }

  Prompt Make(const PromptPlace& place) const override {
    const auto count = static_cast<int64_t>(trace_.requests.size());
    const TraceRequest& request = trace_.requests[static_cast<size_t>(place.index % count)];
    // Each replay is a round of its own.
    const uint64_t round = (place.round << 16) + static_cast<uint64_t>(place.index / count);
    Prompt prompt{.prompt_tokens = request.prompt_tokens, .output_tokens = request.output_tokens};
    int64_t left = std::max(request.prompt_tokens - words_.overhead(), 1);
    for (const int64_t id : request.block_ids) {
      const int64_t tokens = std::min<int64_t>(left, trace_.block_tokens);
      words_.Append(prompt.text, tokens, Stream(seed_, Use::kBlock, {round, id}));
      left -= tokens;
    }
    words_.Append(prompt.text, left, Stream(seed_, Use::kText, {round, place.index}));
    return prompt;
  }

 private:
  const Trace trace_;
  const uint64_t seed_;
  const WordList words_;
};

}  // namespace

std::unique_ptr<Prompts> MakeSyntheticPrompts(const SyntheticOptions& options, WordList words) {
  return std::make_unique<SyntheticPrompts>(options, std::move(words));
}

std::unique_ptr<Prompts> MakeTextPrompts(std::vector<std::string> lines,
                                         const SyntheticOptions& options) {
  return std::make_unique<TextPrompts>(std::move(lines), options);
}

std::unique_ptr<Prompts> MakeTracePrompts(Trace trace, uint64_t seed, WordList words) {
  return std::make_unique<TracePrompts>(std::move(trace), seed, std::move(words));
}

Result<std::vector<std::string>> ReadPromptLines(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path)) {
    return NotFound(path.string() + ": cannot be read");
  }
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
  }
  if (lines.empty()) return InvalidArgument(path.string() + ": holds no line");
  return lines;
}

}  // namespace baton::loadgen
