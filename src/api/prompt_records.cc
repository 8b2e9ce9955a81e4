#include "prompt_records.h"

#include "baton/base/check.h"

namespace baton::api {

std::vector<TokenRecord> PromptRecords(const text::Tokenizer& tokenizer,
                                       const PlannedPrompt& prompt, const PromptLogprobs& logprobs,
                                       bool skip_special) {
  BATON_CHECK(logprobs.size() + 1 == prompt.tokens.size())
      << logprobs.size() << " log-probabilities of " << prompt.tokens.size() << " tokens";
  std::vector<TokenRecord> records;
  records.reserve(prompt.tokens.size());
  text::Detokenizer detokenizer(tokenizer, skip_special);
  int64_t characters = 0;
  for (size_t i = 0; i < prompt.tokens.size(); ++i) {
    TokenRecord& record = records.emplace_back();
    record.token = prompt.tokens[i];
    record.text_offset = characters;
    if (i > 0) {
      record.logprob = logprobs[i - 1].logprob;
      record.rank = logprobs[i - 1].rank;
      record.top = logprobs[i - 1].top;
    }
    characters += CountCharacters(detokenizer.Push(record.token));
  }
  return records;
}

}  // namespace baton::api
