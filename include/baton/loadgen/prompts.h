#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/status.h"
#include "baton/loadgen/lengths.h"
#include "baton/loadgen/trace.h"
#include "baton/loadgen/words.h"

namespace baton::loadgen {

/// What one request asks.
struct Prompt {
  /// Shared with other requests: a system message in chats, else what the prompt begins with.
  std::string shared;
  std::string text;
  /// As planned; 0 where nobody counted.
  int32_t prompt_tokens = 0;
  int32_t output_tokens = 1;
};

/// Where a prompt stands: the round of the load (a search has many, which share nothing but what
/// is meant to be shared) and its place in it.
struct PromptPlace {
  uint64_t round = 0;
  int64_t index = 0;
};

/// The prompts of a load, made one by one as they are needed. *Threads*: immutable.
class Prompts {
 public:
  virtual ~Prompts() = default;
  /// The same for the same place, always.
  virtual Prompt Make(const PromptPlace& place) const = 0;
};

struct SyntheticOptions {
  Lengths prompt_tokens;
  Lengths output_tokens{.first = 64};
  /// Every prompt begins with one of so many texts of so many tokens, which count as its own.
  int32_t prefix_tokens = 0;
  int32_t prefixes = 1;
  uint64_t seed = 0;
};
/// Random words.
std::unique_ptr<Prompts> MakeSyntheticPrompts(const SyntheticOptions& options, WordList words);

/// The lines of a text in turn, in an order by the seed. REQUIRES: there are lines.
std::unique_ptr<Prompts> MakeTextPrompts(std::vector<std::string> lines,
                                         const SyntheticOptions& options);
/// The lines of a file that hold anything. Fails with NotFound or InvalidArgument.
Result<std::vector<std::string>> ReadPromptLines(const std::filesystem::path& path);

/// Random words of the lengths of a trace, sharing what its block ids say. Places beyond its end
/// begin it anew with other content. REQUIRES: the trace holds requests.
std::unique_ptr<Prompts> MakeTracePrompts(Trace trace, uint64_t seed, WordList words);

}  // namespace baton::loadgen
