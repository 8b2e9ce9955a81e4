#pragma once

#include <vector>

#include "baton/api/choice.h"

namespace baton::api {

/// What the tokens of `prompt` were likely to be, the first without a log-probability, since
/// nothing was before it. REQUIRES: `logprobs` has an entry for each of its other tokens.
std::vector<TokenRecord> PromptRecords(const text::Tokenizer& tokenizer,
                                       const PlannedPrompt& prompt, const PromptLogprobs& logprobs,
                                       bool skip_special);

}  // namespace baton::api
