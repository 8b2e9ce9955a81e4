#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "baton/text/tokenizer.h"

namespace baton::test {

/// One token per byte, its id the byte's value, and a few more:
inline constexpr TokenId kEndToken = 256;    // "<|end|>", special
inline constexpr TokenId kStartToken = 257;  // "<|start|>", special
inline constexpr TokenId kHelloToken = 258;  // "Hello"
inline constexpr TokenId kWideToken = 259;   // "one STOP two"
inline constexpr int kTinyVocabulary = 260;

/// `special` are further special tokens, from kTinyVocabulary on.
std::unique_ptr<text::Tokenizer> MakeTinyTokenizer(const std::vector<std::string>& special = {});

/// One token per byte of `text`.
std::vector<TokenId> Bytes(std::string_view text);

}  // namespace baton::test
