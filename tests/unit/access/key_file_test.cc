#include "baton/access/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::access {
namespace {

using testing::HasSubstr;

const std::string kHash = "sha256:" + ToHex(Sha256("secret"));

/// What is said of a file of one line.
std::string ErrorOf(const std::string& line) {
  const Result<KeyFile> file = ParseKeyFile("# keys\n" + line + "\n", "FILE");
  return file.ok() ? "" : file.status().message();
}

TEST(KeyFile, ReadsKeysAndTheSecret) {
  const Result<KeyFile> file =
      ParseKeyFile("# who may ask\n\nsalt_secret 0123456789abcdef\r\n  key " + kHash +
                       " name=alice tenant=acme requests_at_once=8 requests_per_minute=60 "
                       "highest_priority=-3 # since May\n",
                   "FILE");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->salt_secret, "0123456789abcdef");
  ASSERT_EQ(file->keys.size(), 1u);
  EXPECT_EQ(file->keys[0].digest, Sha256("secret"));
  EXPECT_EQ(file->keys[0].name, "alice");
  EXPECT_EQ(file->keys[0].tenant, "acme");
  EXPECT_EQ(file->keys[0].limits.requests_at_once, 8);
  EXPECT_EQ(file->keys[0].limits.requests_per_minute, 60);
  EXPECT_EQ(file->keys[0].limits.highest_priority, -3);
}

TEST(KeyFile, MakesAHolderItsOwnTenantWithoutAnother) {
  const Result<KeyFile> file = ParseKeyFile("key " + kHash + " name=bob", "FILE");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->keys[0].tenant, "bob");
}

TEST(KeyFile, NamesTheLineButNotItsContent) {
  EXPECT_EQ(ErrorOf("key bt-plain-secret name=alice"),
            "FILE:2: the line needs the key's SHA-256 first, sha256: and 64 hexadecimal digits");
  EXPECT_EQ(ErrorOf("bt-plain-secret"),
            "FILE:2: the line begins with neither 'key' nor 'salt_secret'");
}

TEST(KeyFile, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(ErrorOf("key " + kHash + " name=a rate=3"), HasSubstr("unknown field"));
  EXPECT_THAT(ErrorOf("key " + kHash + " name=a/b"), HasSubstr("a name that is none"));
  EXPECT_THAT(ErrorOf("key " + kHash + " name=a name=b"), HasSubstr("two fields 'name'"));
  EXPECT_THAT(ErrorOf("key " + kHash + " name=a requests_at_once=0"),
              HasSubstr("a number from 1 for requests_at_once"));
  EXPECT_THAT(ErrorOf("key " + kHash + " name=a highest_priority=high"),
              HasSubstr("a whole number for highest_priority"));
  EXPECT_THAT(ErrorOf("key " + kHash), HasSubstr("needs a name="));
  EXPECT_THAT(ErrorOf("salt_secret short"), HasSubstr("16 to 256 characters"));
}

TEST(KeyFile, RefusesAKeyOrANameTwice) {
  const std::string other = " sha256:" + std::string(64, '0');
  EXPECT_THAT(ErrorOf("key " + kHash + " name=a\nkey " + kHash + " name=b"),
              HasSubstr("FILE:3: the line has the key of another line"));
  EXPECT_THAT(ErrorOf("key " + kHash + " name=a\nkey" + other + " name=a"),
              HasSubstr("FILE:3: the line has the name of another line"));
}

TEST(KeyFile, MustHoldAKey) { EXPECT_THAT(ErrorOf(""), HasSubstr("holds no key")); }

TEST(KeyFile, TakesTheLineOfANewKey) {
  const std::string key = MakeKey();
  const ApiKey holder{
      .digest = Sha256(key),
      .name = "alice",
      .tenant = "acme",
      .limits = {.requests_at_once = 2, .requests_per_minute = 30, .highest_priority = -1}};
  const Result<std::string> line = KeyLine(holder);
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->find(key), std::string::npos);
  const Result<KeyFile> file = ParseKeyFile(*line, "FILE");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->keys[0].digest, holder.digest);
  EXPECT_EQ(file->keys[0].limits.requests_per_minute, 30);
  EXPECT_EQ(file->keys[0].limits.highest_priority, -1);
  EXPECT_FALSE(KeyLine({.name = "al ice"}).ok());
}

}  // namespace
}  // namespace baton::access
