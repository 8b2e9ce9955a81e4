#include "baton/config/load.h"
#include "baton/config/schema.h"
#include "fuzz_target.h"
#include "input_folder.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const char* file : {"configs/local.yaml", "configs/mixed.yaml"}) {
    seeds.push_back(InputWriter().Part(SourceFile(file)).bytes());
  }
  const auto defaults = config::LoadConfig(
      {.file = {}, .environment = {}, .command_line = {{"model", "/m", "test"}}});
  BATON_CHECK(defaults.ok()) << defaults.status();
  seeds.push_back(InputWriter().Part(config::PrintConfig(*defaults)).bytes());
  seeds.push_back(
      InputWriter()
          .Part("model: &m x\nserved_model_name: *m\nrouter: {workers: ['a=b:1', \"c=d:2\"]}\n")
          .Part("BATON_ROUTER_PORT=80\nBATON_ROUTER_WORKERS=a=b:1,c=d:2")
          .bytes());
  return seeds;
}

std::vector<std::string> Words() {
  std::vector<std::string> words = {"\n  ",   ": ",    "- ",    "? ",        "&a",    "*a",
                                    "!!str ", "---\n", "...\n", "|-\n",      ">+2\n", "{",
                                    "}",      "[",     "]",     "\"\\x00\"", "<<: ",  "~",
                                    "64MiB",  "1.5s",  "1e18",  "24h",       "0-3,8", "a=b:1"};
  for (const config::KeyInfo& key : config::DescribeKeys()) {
    words.push_back(key.path.substr(key.path.rfind('.') + 1) + ": ");
    words.push_back(config::EnvironmentName(key.path) + "=");
  }
  return words;
}

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void Run(std::string_view input) {
  static const InputFolder folder;
  const std::string file = (folder.path() / "baton.yaml").string();
  InputReader reader(input);
  folder.Write("baton.yaml", reader.Part());
  if (!std::filesystem::exists(file)) return;
  const auto loaded =
      config::LoadConfig({.file = file, .environment = Lines(reader.Part()), .command_line = {}});
  if (!loaded.ok()) {
    BATON_CHECK(loaded.status().code() == StatusCode::kInvalidArgument) << loaded.status();
    return;
  }
  // What --print-config prints must load to the same.
  const std::string printed = config::PrintConfig(*loaded);
  folder.Write("baton.yaml", printed);
  const auto again = config::LoadConfig({.file = file, .environment = {}, .command_line = {}});
  BATON_CHECK(again.ok()) << again.status() << "\n" << printed;
  for (size_t i = 0; i < loaded->settings.size(); ++i) {
    BATON_CHECK(loaded->settings[i].value == again->settings[i].value)
        << loaded->settings[i].path << " was " << loaded->settings[i].value << " and became "
        << again->settings[i].value;
  }
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 4096, .seeds = &Seeds, .words = Words(), .run = &Run};

}  // namespace baton::fuzz
