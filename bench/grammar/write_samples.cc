// Texts drawn at random through masks, for validate_samples.py:
//   write_samples MODEL_FOLDER SAMPLES < schemas, one a line
// For each schema a line of JSON: {"error": ...}, or {"samples": [...]}, texts as strings.
#include <iostream>
#include <string>
#include <vector>

#include "baton/base/random.h"
#include "baton/grammar/matcher.h"
#include "baton/grammar/sources.h"
#include "baton/text/tokenizer.h"

namespace baton {
namespace {

using grammar::Grammar;
using grammar::Matcher;
using grammar::Vocabulary;

constexpr int kMaxTokens = 600;

std::string Quoted(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || c == '"' || c == '\\') {
      out += std::string("\\u00") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// One of the tokens allowed; often one that closes something, so that texts end.
TokenId Draw(const Matcher& matcher, const Vocabulary& vocabulary, Random& random) {
  std::vector<uint32_t> mask(vocabulary.mask_words());
  matcher.FillMask(mask);
  std::vector<TokenId> all, closing;
  for (TokenId token = 0; token < vocabulary.size(); ++token) {
    if ((mask[static_cast<size_t>(token) / 32] >> (token % 32) & 1) == 0) continue;
    all.push_back(token);
    const bool closes = vocabulary.IsEnd(token) ||
                        vocabulary.bytes(token).find_first_of("\"}]") != std::string::npos;
    if (closes) closing.push_back(token);
  }
  BATON_CHECK(!all.empty()) << "no token is allowed";
  const auto& from = !closing.empty() && random.Below(3) == 0 ? closing : all;
  return from[random.Below(from.size())];
}

/// Empty where the text does not end in time.
std::string Sample(const std::shared_ptr<const Grammar>& compiled,
                   const std::shared_ptr<const Vocabulary>& vocabulary, Random& random) {
  Matcher matcher(compiled, vocabulary);
  std::string text;
  for (int i = 0; i < kMaxTokens; ++i) {
    const TokenId token = Draw(matcher, *vocabulary, random);
    BATON_CHECK(matcher.Accept(token)) << "the mask allows what is not taken";
    if (vocabulary->IsEnd(token)) return text;
    text += vocabulary->bytes(token);
  }
  return "";
}

int Main(const std::string& folder, int samples) {
  const auto tokenizer = text::Tokenizer::Load(folder);
  BATON_CHECK(tokenizer.ok()) << tokenizer.status();
  const auto vocabulary = Vocabulary::Of(**tokenizer, {(*tokenizer)->eos().value()});
  Random random(1);
  for (std::string schema; std::getline(std::cin, schema);) {
    const auto source = grammar::FromJsonSchema(schema);
    const auto compiled = source.ok() ? Grammar::Compile(*source)
                                      : Result<std::shared_ptr<const Grammar>>(source.status());
    if (!compiled.ok()) {
      std::cout << "{\"error\": " << Quoted(compiled.status().message()) << "}\n";
      continue;
    }
    std::string list;
    for (int i = 0; i < samples; ++i) {
      const std::string text = Sample(*compiled, vocabulary, random);
      if (!text.empty()) list += (list.empty() ? "" : ", ") + Quoted(text);
    }
    std::cout << "{\"samples\": [" << list << "]}\n";
  }
  return 0;
}

}  // namespace
}  // namespace baton

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: write_samples MODEL_FOLDER SAMPLES < schemas\n";
    return 2;
  }
  return baton::Main(argv[1], std::stoi(argv[2]));
}
