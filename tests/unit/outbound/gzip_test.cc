#include "baton/outbound/gzip.h"

#include <array>
#include <cstdio>
#include <fstream>

#include <gtest/gtest.h>

namespace baton::outbound {
namespace {

/// What gzip makes of it.
std::string Unzipped(const std::string& bytes) {
  const std::string path = testing::TempDir() + "baton_gzip_test.gz";
  std::ofstream(path, std::ios::binary) << bytes;
  FILE* const pipe = popen(("gzip -dc " + path).c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  for (size_t count = 0; (count = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    text.append(buffer.data(), count);
  }
  EXPECT_EQ(pclose(pipe), 0);
  std::remove(path.c_str());
  return text;
}

TEST(Gzip, IsReadByGzip) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "span " + std::to_string(i % 97) + "\n";
  const std::string bytes = Gzip(text);
  EXPECT_LT(bytes.size(), text.size() / 5);
  EXPECT_EQ(Unzipped(bytes), text);
  EXPECT_EQ(Unzipped(Gzip("")), "");
  EXPECT_EQ(Unzipped(Gzip("a")), "a");
}

}  // namespace
}  // namespace baton::outbound
