// A grammar, a JSON schema, a regular expression or choices, as a client sends them, and a text
// that the matcher takes as far as it goes.
#include <string>
#include <vector>

#include "baton/base/random.h"
#include "baton/grammar/matcher.h"
#include "baton/grammar/sources.h"
#include "baton/text/utf8.h"
#include "fuzz_target.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

using grammar::Grammar;
using grammar::Matcher;
using grammar::Vocabulary;

enum Kind : uint8_t { kGrammar, kSchema, kRegex, kChoices, kKinds };

/// Less than a server allows, so that an input is quick.
const grammar::GrammarLimits kLimits{
    .text_bytes = 64 * 1024, .rules = 500, .states = 5000, .transitions = 20'000};

std::vector<std::string> Seeds() {
  const auto seed = [](Kind kind, std::string_view source, std::string_view text) {
    return InputWriter().Byte(kind).Part(source).Rest(text).bytes();
  };
  return {
      seed(kGrammar, "root ::= \"a\" [b-d]{2,50} (x | \"\") # end\nx ::= \"(\" root \")\"",
           "abbb(acc)"),
      seed(kGrammar, "start: \"yes\"i | NO\nNO: /no+/", "YES"),
      seed(kSchema,
           R"({"type":"object","properties":{"a":{"type":"integer","minimum":-3,"maximum":120},)"
           R"("b":{"type":"string","pattern":"^x+$"},"c":{"$ref":"#"}},"required":["a"]})",
           R"({"a": 12, "b": "xx", "c": {"a": -1}})"),
      seed(
          kSchema,
          R"({"anyOf":[{"type":"number","exclusiveMinimum":0.25,"maximum":7.5},{"enum":[null,"e"]},)"
          R"({"type":"array","prefixItems":[true],"items":{"format":"date"},"minItems":1}]})",
          R"([{"k":[1e5,"\u00e9"]},"2024-02-29"])"),
      seed(kSchema,
           R"({"oneOf":[{"type":"object","properties":{"t":{"const":"a"}},"required":["t"],)"
           R"("additionalProperties":{"type":"boolean"}},{"type":"string","minLength":2,)"
           R"("maxLength":300}],"$defs":{"x":{}}})",
           R"({"t":"a","u":true})"),
      seed(kRegex, "^(a|b)*abb(c{2,30}|\\d+?)[^x-z]$", "ababbccq"),
      seed(kChoices, "yes\nno\nmaybe", "may")};
}

Result<std::string> TextOf(uint8_t kind, std::string_view source) {
  switch (kind) {
    case kSchema: {
      grammar::SchemaOptions options{.properties_of_one_object = 50, .steps = 2000};
      options.grammar = kLimits;
      return grammar::FromJsonSchema(source, options);
    }
    case kRegex: return grammar::FromRegex(source, kLimits);
    case kChoices: {
      std::vector<std::string> choices;
      for (size_t at = 0; at <= source.size();) {
        const size_t end = std::min(source.find('\n', at), source.size());
        choices.emplace_back(source.substr(at, end - at));
        at = end + 1;
      }
      return grammar::FromChoices(choices, kLimits);
    }
    default: return std::string(source);
  }
}

/// Bytes, pairs of letters and of punctuation, and an end.
std::shared_ptr<const Vocabulary> Tokens() {
  static const auto vocabulary = [] {
    std::vector<std::string> bytes(1);
    for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
    for (const char* more :
         {"\",", "\":", "{\"", "}}", "ab", "aaaa", "  ", "\xC3\xA9", "00", "]}"}) {
      bytes.emplace_back(more);
    }
    return std::make_shared<const Vocabulary>(std::move(bytes), std::vector<TokenId>{0});
  }();
  return vocabulary;
}

bool Allowed(const std::vector<uint32_t>& mask, TokenId token) {
  return (mask[static_cast<size_t>(token) / 32] >> (token % 32) & 1) != 0;
}

/// Whatever a mask allows is taken, and nothing else.
void CheckMask(const Matcher& matcher) {
  std::vector<uint32_t> mask(Tokens()->mask_words());
  matcher.FillMask(mask);
  for (TokenId token = 0; token < Tokens()->size(); ++token) {
    Matcher copy = matcher;
    BATON_CHECK(copy.Accept(token) == Allowed(mask, token)) << "token " << token;
  }
}

void Run(std::string_view input) {
  InputReader reader(input);
  const uint8_t kind = reader.Byte() % kKinds;
  const auto text = TextOf(kind, reader.Part());
  if (!text.ok()) {
    BATON_CHECK(text.status().code() == StatusCode::kInvalidArgument) << text.status();
    return;
  }
  const auto compiled = Grammar::Compile(*text, kLimits);
  if (!compiled.ok()) {
    BATON_CHECK(compiled.status().code() == StatusCode::kInvalidArgument);
    // What the server writes itself fails for its limits only, and for schemas without values.
    const std::string& message = compiled.status().message();
    const bool expected = message.find("more than") != std::string::npos ||
                          message.find("matches no text") != std::string::npos ||
                          message.find("may be empty") != std::string::npos;
    BATON_CHECK(kind == kGrammar || expected) << message << "\n" << *text;
    return;
  }
  Matcher matcher(*compiled, Tokens());
  CheckMask(matcher);
  for (const char byte : reader.Rest().substr(0, 64)) {
    if (!matcher.AcceptBytes({&byte, 1})) break;
  }
  CheckMask(matcher);
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 2048,
                         .seeds = &Seeds,
                         .words = {"root ::= ",
                                   " | ",
                                   "\"a\"",
                                   "[^a-c]",
                                   "{0,200}",
                                   "{3,}",
                                   "(",
                                   ")*",
                                   "start:",
                                   "/[a-z]+/",
                                   "\"anyOf\":",
                                   "\"oneOf\":",
                                   "\"allOf\":[",
                                   "\"$ref\":\"#\"",
                                   "\"type\":",
                                   "\"integer\"",
                                   "\"enum\":[",
                                   "\"const\":",
                                   "\"required\":[\"a\"]",
                                   "\"properties\":{",
                                   "\"additionalProperties\":",
                                   "\"items\":",
                                   "\"prefixItems\":[",
                                   "\"minItems\":2",
                                   "\"maxLength\":20",
                                   "\"pattern\":\"",
                                   "\"format\":\"date-time\"",
                                   "\"minimum\":0.5",
                                   "\"exclusiveMaximum\":-1e3",
                                   "\\u{1F600}",
                                   "(?:",
                                   "[\\w-]",
                                   "\\d{2,4}"},
                         .run = &Run};

}  // namespace baton::fuzz
