// Encodes texts for compare_tokenizers.py: reads records from standard input and answers each.
//   encode_texts <model folder> [repeat]
// A record is a length (32 bits, little-endian) and so many bytes; its answer a count and so many
// ids of 32 bits. The last line on standard error is bytes encoded and seconds of CPU time for it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "baton/text/tokenizer.h"

namespace {

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

bool ReadRecord(std::string& text) {
  uint32_t bytes = 0;
  if (std::fread(&bytes, sizeof bytes, 1, stdin) != 1) return false;
  text.resize(bytes);
  return std::fread(text.data(), 1, bytes, stdin) == bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: encode_texts <model folder> [repeat]\n");
    return 2;
  }
  const auto tokenizer = baton::text::Tokenizer::Load(argv[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.status().message().c_str());
    return 1;
  }
  const int repeat = argc > 2 ? std::atoi(argv[2]) : 1;
  double bytes = 0;
  double seconds = 0;
  for (std::string text; ReadRecord(text);) {
    std::vector<baton::TokenId> ids;
    const double begin = CpuSeconds();
    for (int i = 0; i < repeat; ++i) ids = (*tokenizer)->Encode(text);
    seconds += CpuSeconds() - begin;
    bytes += static_cast<double>(text.size()) * repeat;
    const auto count = static_cast<uint32_t>(ids.size());
    std::fwrite(&count, sizeof count, 1, stdout);
    std::fwrite(ids.data(), sizeof ids[0], ids.size(), stdout);
  }
  std::fprintf(stderr, "%.0f %.6f\n", bytes, seconds);
  return 0;
}
