// A template by a stranger, rendered with a context by another.
#include <nlohmann/json.hpp>

#include "baton/text/chat_template.h"
#include "baton/text/utf8.h"
#include "fuzz_target.h"
#include "input_folder.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

constexpr int64_t kUnixSeconds = 1'700'000'000;
/// Low, so that what escapes them is slow or large enough to be noticed.
constexpr text::ChatTemplateLimits kLimits{
    .steps = 50'000, .output_bytes = size_t{64} << 10, .depth = 100};

std::vector<std::string> Seeds() {
  const auto goldens =
      nlohmann::ordered_json::parse(SourceFile("tests/data/text/template_goldens.json"));
  const std::string context = goldens["context"].dump();
  std::vector<std::string> seeds;
  for (const auto& golden : goldens["cases"]) {
    const std::string source = golden["template"];
    seeds.push_back(InputWriter().Part(source).Part(seeds.empty() ? context : "").bytes());
  }
  return seeds;
}

/// What most inputs are rendered with: they need not carry it, and mutations stay in the template.
const std::string& UsualContext() {
  static const std::string context =
      R"({"messages":[{"role":"user","content":"Hi é 😀"},{"role":"assistant","content":null,)"
      R"("tool_calls":[{"function":{"name":"f","arguments":{"a":1,"b":[1,2.5,true,null]}}}]}],)"
      R"("n":7,"x":2.5,"s":"  Hello World  ","t":"abcdef","l":[3,1,2],"d":{"b":1,"a":{"k":"v"}},)"
      R"("empty":[],"none":null,"yes":true,"no":false,"words":["apple","Banana","cherry"],)"
      R"("people":[{"name":"Al","age":3,"ok":true},{"name":"Bo","age":1,"ok":false}],)"
      R"("big":1e20,"neg":-7,"html":"<a href='x'>&</a>","bos_token":"<s>",)"
      R"("add_generation_prompt":true})";
  return context;
}

void Run(std::string_view input) {
  InputReader reader(input);
  const auto parsed = text::ChatTemplate::Parse(std::string(reader.Part()));
  if (!parsed.ok()) return;
  const std::string_view context = reader.Part();
  const auto rendered =
      parsed->Render(context.empty() ? UsualContext() : context, kUnixSeconds, kLimits);
  if (!rendered.ok()) {
    BATON_CHECK(rendered.status().code() == StatusCode::kInvalidArgument ||
                rendered.status().code() == StatusCode::kResourceExhausted)
        << rendered.status();
    return;
  }
  BATON_CHECK(rendered->size() <= kLimits.output_bytes) << "the limit of the output does not hold";
  BATON_CHECK(text::IsValidUtf8(*rendered)) << "the text is not UTF-8";
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 2048,
                         .seeds = &Seeds,
                         .words = {"{%",
                                   "%}",
                                   "{{",
                                   "}}",
                                   "{#",
                                   "#}",
                                   "-%}",
                                   "{%-",
                                   "for ",
                                   " in ",
                                   "endfor",
                                   "if ",
                                   "elif ",
                                   "else",
                                   "endif",
                                   "set ",
                                   "endset",
                                   "macro f(x)",
                                   "endmacro",
                                   "call f(1)",
                                   "endcall",
                                   "filter ",
                                   "endfilter",
                                   "with ",
                                   "endwith",
                                   "raw",
                                   "endraw",
                                   "break",
                                   "continue",
                                   "generation",
                                   "endgeneration",
                                   "recursive",
                                   "loop",
                                   "loop.index",
                                   "loop.previtem",
                                   "loop.cycle(",
                                   "loop(",
                                   "caller()",
                                   "namespace(",
                                   "ns.x",
                                   "cycler(",
                                   "joiner(",
                                   "range(",
                                   "dict(",
                                   "raise_exception(",
                                   "strftime_now(",
                                   "varargs",
                                   "kwargs",
                                   "|length",
                                   "|join(",
                                   "|map(attribute=",
                                   "|selectattr(",
                                   "|rejectattr(",
                                   "|groupby(",
                                   "|sort(",
                                   "|unique",
                                   "|batch(",
                                   "|slice(",
                                   "|tojson(indent=",
                                   "|replace(",
                                   "|indent(",
                                   "|truncate(",
                                   "|wordwrap(",
                                   "|center(",
                                   "|format(",
                                   "|default(",
                                   "|round(",
                                   "|int(",
                                   "|float",
                                   "|string",
                                   "|list",
                                   "|items",
                                   "|dictsort",
                                   "|escape",
                                   "|safe",
                                   "|first",
                                   "|last",
                                   "|random",
                                   "|sum(",
                                   "|min",
                                   "|max",
                                   "|reverse",
                                   "|title",
                                   "|trim(",
                                   "is defined",
                                   "is mapping",
                                   "is sameas",
                                   "is divisibleby",
                                   "not ",
                                   " and ",
                                   " or ",
                                   " ~ ",
                                   "**",
                                   "//",
                                   "%",
                                   "[::-1]",
                                   "[1:",
                                   ".split(",
                                   ".strip(",
                                   ".replace(",
                                   ".join(",
                                   ".format(",
                                   ".items()",
                                   ".get(",
                                   ".append(",
                                   ".update(",
                                   ".zfill(",
                                   ".ljust(",
                                   ".splitlines(",
                                   ".encode(",
                                   "9223372036854775807",
                                   "-9223372036854775808",
                                   "1e308",
                                   "0x",
                                   "'\\u00e9'",
                                   "99999"},
                         .run = &Run};

}  // namespace baton::fuzz
