// Renders chat templates for compare_templates.py: reads requests from standard input and answers
// each.   render_templates <unix seconds>
// A request is two records, a template and its context; a record is a length (32 bits,
// little-endian) and so many bytes. The answer is one byte (0 text, 1 error, 2 a limit was reached)
// and a record: the text, or the error's message.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "baton/text/chat_template.h"

namespace {

using baton::Result;
using baton::StatusCode;

bool ReadRecord(std::string& text) {
  uint32_t bytes = 0;
  if (std::fread(&bytes, sizeof bytes, 1, stdin) != 1) return false;
  text.resize(bytes);
  return std::fread(text.data(), 1, bytes, stdin) == bytes;
}

void Answer(const Result<std::string>& rendered) {
  const bool limit = rendered.status().code() == StatusCode::kResourceExhausted;
  std::fputc(rendered.ok() ? 0 : limit ? 2 : 1, stdout);
  const std::string text = rendered.ok() ? *rendered : std::string(rendered.status().message());
  const auto bytes = static_cast<uint32_t>(text.size());
  std::fwrite(&bytes, sizeof bytes, 1, stdout);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: render_templates <unix seconds>\n");
    return 2;
  }
  const int64_t now = std::atoll(argv[1]);
  for (std::string source, context; ReadRecord(source) && ReadRecord(context);) {
    const auto parsed = baton::text::ChatTemplate::Parse(source);
    Answer(parsed.ok() ? parsed->Render(context, now) : Result<std::string>(parsed.status()));
  }
  return 0;
}
