// Any bytes through the tokenizer of the bundled model, and any tokens back.
#include "baton/text/detokenizer.h"
#include "baton/text/tokenizer.h"
#include "baton/text/utf8.h"
#include "fuzz_target.h"
#include "input_folder.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

/// Bits of an input's first byte.
constexpr uint8_t kAddSpecial = 1, kParseSpecial = 2, kTokens = 4, kRepeat = 8;

std::vector<std::string> Seeds() {
  const auto seed = [](uint8_t options, std::string_view text) {
    return InputWriter().Byte(options).Rest(text).bytes();
  };
  return {seed(0, "It was a dark and stormy night; the rain fell in torrents."),
          seed(kAddSpecial | kParseSpecial,
               "<|im_start|>user\nHi \xC3\xA9 \xF0\x9F\x98\x80<|im_end|>\n"),
          seed(kRepeat, "     a\n\n"),
          seed(kRepeat, "ABCDEF"),
          seed(kAddSpecial, "0123456789 \t\r\n\xE2\x80\x83 I'll they've e\xCC\x81"),
          seed(kTokens, std::string("\x01\x00\x02\x00\xFF\x00\x05\x01", 8))};
}

const text::Tokenizer& Bundled() {
  static const auto tokenizer =
      text::Tokenizer::Load(std::string(BATON_SOURCE_DIR) + "/configs/models/baton-tiny");
  BATON_CHECK(tokenizer.ok()) << tokenizer.status();
  return **tokenizer;
}

void EncodeAndBack(const text::EncodeOptions& options, std::string_view text) {
  const std::vector<TokenId> tokens = Bundled().Encode(text, options);
  for (const TokenId token : tokens) {
    BATON_CHECK(token >= 0 && token < Bundled().vocabulary_size());
  }
  if (options.add_special_tokens) return;
  BATON_CHECK(Bundled().Decode(tokens, false) == text::ToValidUtf8(text))
      << "a text came back as another";
}

void DecodeBothWays(InputReader& reader) {
  std::vector<TokenId> tokens;
  while (!reader.empty()) tokens.push_back(reader.Number<int16_t>());
  text::Detokenizer detokenizer(Bundled());
  std::string streamed;
  for (const TokenId token : tokens) {
    const std::string more = detokenizer.Push(token);
    BATON_CHECK(text::IsValidUtf8(more));
    streamed += more;
  }
  streamed += detokenizer.Finish();
  BATON_CHECK(text::IsValidUtf8(streamed) && streamed == Bundled().Decode(tokens));
}

/// Over and over, so that what is not linear in the text takes too long.
std::string Repeated(std::string_view text) {
  std::string repeated;
  for (int i = 0; i < 32; ++i) repeated += text;
  return repeated;
}

void Run(std::string_view input) {
  InputReader reader(input);
  const uint8_t options = reader.Byte();
  if ((options & kTokens) != 0) return DecodeBothWays(reader);
  const std::string_view text = reader.Rest();
  EncodeAndBack({.add_special_tokens = (options & kAddSpecial) != 0,
                 .parse_special = (options & kParseSpecial) != 0},
                (options & kRepeat) != 0 ? Repeated(text) : std::string(text));
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 4096,
                         .seeds = &Seeds,
                         .words = {"<|im_start|>", "<|im_end|>", "\xEF\xBF\xBD", "\xF0\x9F",
                                   "\xE2\x80\x8D", "\xCC\x81", "'ll", "\r\n", "   "},
                         .run = &Run};

}  // namespace baton::fuzz
