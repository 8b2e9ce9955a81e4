// A fuzzed tokenizer.json and tokenizer_config.json, and a text through what they describe.
#include "baton/text/chat_template.h"
#include "baton/text/tokenizer.h"
#include "baton/text/utf8.h"
#include "fuzz_target.h"
#include "input_folder.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

constexpr char kText[] = "Hello wörld 12  <s>\n";

std::string Seed(const std::string& tokenizer, const std::string& config,
                 const std::string& text = kText) {
  return InputWriter().Part(tokenizer).Part(config).Part(text).bytes();
}

/// Byte-level: every kind of pre-tokenizer, an added token of each kind, a post-processor.
std::string ByteLevelSeed() {
  return Seed(
      R"json({"added_tokens":[{"id":7,"content":"<s>","special":true,"lstrip":true},)json"
      R"json({"id":8,"content":"lo","normalized":true,"single_word":true,"rstrip":true}],)json"
      R"json("normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[)json"
      R"json({"type":"Split","pattern":{"Regex":"\\p{L}+|\\s+(?!\\S)"},"behavior":"Isolated"},)json"
      R"json({"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":true},)json"
      R"json({"type":"Digits","individual_digits":true},)json"
      R"json({"type":"ByteLevel","add_prefix_space":true,"use_regex":true}]},)json"
      R"json("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>",)json"
      R"json("type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>",)json"
      R"json("ids":[7]}}},"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","unk_token":"H",)json"
      R"json("vocab":{"H":0,"e":1,"l":2,"o":3,"Ġ":4,"ll":5,"llo":6},"merges":["l l",["ll","o"]]}})json",
      R"({"bos_token":"<s>","eos_token":{"content":"lo"},"chat_template":"{{ messages }}"})");
}

/// SentencePiece as it is converted: characters with byte fallback.
std::string ByteFallbackSeed() {
  return Seed(
      R"({"added_tokens":[{"id":0,"content":"<unk>","special":true}],"normalizer":{"type":)"
      R"("Sequence","normalizers":[{"type":"Prepend","prepend":"_"},{"type":"Replace","pattern":)"
      R"({"String":" "},"content":"_"}]},"pre_tokenizer":null,"post_processor":null,"decoder":)"
      R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},)"
      R"({"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,)"
      R"("stop":0}]},"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":)"
      R"(true,"ignore_merges":false,"vocab":{"<unk>":0,"<0xC3>":1,"<0xB6>":2,"_":3,"H":4,"e":5,)"
      R"("_H":6,"_He":7},"merges":["_ H","_H e"]}})",
      "");
}

std::vector<std::string> Seeds() { return {ByteLevelSeed(), ByteFallbackSeed()}; }

void Run(std::string_view input) {
  static const InputFolder folder;
  InputReader reader(input);
  folder.Write("tokenizer.json", reader.Part());
  folder.Write("tokenizer_config.json", reader.Part());
  // Reads the configuration too.
  (void)text::ChatTemplate::Load(folder.path());
  const auto loaded = text::Tokenizer::Load(folder.path());
  if (!loaded.ok()) return;
  const text::Tokenizer& tokenizer = **loaded;
  const std::string_view text = reader.Rest();
  for (const bool special : {false, true}) {
    const auto tokens =
        tokenizer.Encode(text, {.add_special_tokens = special, .parse_special = special});
    for (const TokenId token : tokens) {
      BATON_CHECK(token >= 0 && token < tokenizer.vocabulary_size());
    }
    BATON_CHECK(text::IsValidUtf8(tokenizer.Decode(tokens, special)));
  }
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 4096,
                         .seeds = &Seeds,
                         .words = {"\"type\":\"Sequence\"",
                                   "\"normalizers\":[",
                                   "\"pretokenizers\":[",
                                   "\"decoders\":[",
                                   "\"processors\":[",
                                   "\"Replace\"",
                                   "\"Prepend\"",
                                   "\"NFKC\"",
                                   "\"NFD\"",
                                   "\"Split\"",
                                   "\"Regex\":",
                                   "\"String\":",
                                   "\"behavior\":",
                                   "\"Removed\"",
                                   "\"Contiguous\"",
                                   "\"MergedWithPrevious\"",
                                   "\"MergedWithNext\"",
                                   "\"Isolated\"",
                                   "\"invert\":true",
                                   "\"ByteFallback\"",
                                   "\"Fuse\"",
                                   "\"Strip\"",
                                   "\"ignore_merges\":true",
                                   "null",
                                   "true",
                                   "16777215",
                                   "-1",
                                   "4294967296",
                                   "<0x41>",
                                   "(?R)",
                                   "(?=",
                                   "(?<=",
                                   "(?i:",
                                   "\\\\K",
                                   "\\\\b",
                                   "\\\\p{L}",
                                   "\\\\G",
                                   "{0,9}",
                                   "*+",
                                   "+)+",
                                   "()"},
                         .run = &Run};

}  // namespace baton::fuzz
