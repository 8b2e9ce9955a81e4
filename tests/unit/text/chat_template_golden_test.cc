#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/text/chat_template.h"
#include "unit/text/text_samples.h"

namespace baton::text {
namespace {

using Json = nlohmann::ordered_json;

Json ReadJson(const std::filesystem::path& file) {
  std::ifstream in(file);
  return Json::parse(in);
}

/// What Python's jinja2 makes of each template; see tests/data/text/make_template_goldens.py.
const Json& Goldens() {
  static const Json goldens = ReadJson(TextData() / "template_goldens.json");
  return goldens;
}

void ExpectLikePython(const std::string& source, const Json& context, const Json& golden) {
  const auto parsed = ChatTemplate::Parse(source);
  Result<std::string> rendered = parsed.status().ok() ? Result<std::string>(std::string())
                                                      : Result<std::string>(parsed.status());
  if (parsed.ok()) rendered = parsed->Render(context.dump(), Goldens()["unix_seconds"]);
  if (golden.contains("error")) {
    EXPECT_FALSE(rendered.ok()) << source << "\n" << *rendered;
  } else if (!rendered.ok()) {
    ADD_FAILURE() << source << "\n" << rendered.status();
  } else {
    EXPECT_EQ(*rendered, golden["text"].get<std::string>()) << source;
  }
}

TEST(ChatTemplateGolden, RendersTheLanguageAsPythonDoes) {
  ASSERT_GT(Goldens()["cases"].size(), 220u);
  for (const Json& golden : Goldens()["cases"]) {
    ExpectLikePython(golden["template"], Goldens()["context"], golden);
  }
}

TEST(ChatTemplateGolden, RendersPublishedTemplatesAsPythonDoes) {
  const std::filesystem::path folder = SharedData() / "chat-templates";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const Json templates = ReadJson(folder / "chat_templates.json");
  const Json contexts = ReadJson(folder / "contexts.json");
  for (const Json& golden : Goldens()["models"]) {
    SCOPED_TRACE(golden["model"].dump() + " " + golden["context"].dump());
    ExpectLikePython(templates[golden["model"].get<std::string>()],
                     contexts[golden["context"].get<std::string>()], golden);
  }
}

/// Ends normally: with a text or an error, whatever the damage.
TEST(ChatTemplateGolden, SurvivesDamagedTemplates) {
  Random random(8);
  const std::string context = Goldens()["context"].dump();
  const std::string bits[] = {"{%",   "%}", "{{", "}}",   "(",      ")",   "[",  "]",
                              "|",    "-",  "'",  "for ", "endfor", "if ", "{#", "is ",
                              "loop", "~",  ":",  ".",    "9",      "in "};
  size_t rendered = 0;
  for (const Json& golden : Goldens()["cases"]) {
    for (int round = 0; round < 20; ++round) {
      std::string source = golden["template"];
      for (size_t edits = 1 + random.Below(3); edits > 0; --edits) {
        const size_t at = random.Below(source.size() + 1);
        source.replace(at, random.Below(4), bits[random.Below(std::size(bits))]);
      }
      const auto parsed = ChatTemplate::Parse(source);
      if (!parsed.ok()) continue;
      const auto text = parsed->Render(context, 0, {.steps = 20'000, .output_bytes = 1 << 20});
      ++rendered;
      EXPECT_TRUE(text.ok() || text.status().code() == StatusCode::kInvalidArgument ||
                  text.status().code() == StatusCode::kResourceExhausted);
    }
  }
  EXPECT_GT(rendered, 100u);
}

}  // namespace
}  // namespace baton::text
