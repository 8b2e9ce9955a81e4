#pragma once

#include <string>

#include "baton/base/status.h"
#include "baton/loadgen/stream_client.h"
#include "baton/loadgen/words.h"

namespace baton::loadgen {

/// The model to ask for: `wanted`, or the first that the server lists. Fails with Unavailable where
/// the server is not reached or lets nobody in, with NotFound where it does not serve `wanted`.
Result<std::string> FindModel(StreamClient& client, const std::string& url,
                              const std::string& wanted);

/// How the lengths of prompts are counted.
struct WordCount {
  WordList words;
  /// By the server's /tokenize; else a word counts as a token.
  bool by_tokenizer = false;
  /// A sentence for the reader.
  std::string how;
};

/// Asks the server's /tokenize (as vLLM, SGLang and Baton have it) what the words cost. Without
/// one, counts words.
WordCount CountWords(StreamClient& client, const std::string& model, bool chat);

}  // namespace baton::loadgen
