#include "baton/access/digest.h"

#include <gtest/gtest.h>

namespace baton::access {
namespace {

/// The examples of FIPS 180 and RFC 4231.
TEST(Digest, IsThatOfThePublishedExamples) {
  EXPECT_EQ(ToHex(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, IsReadFromHexInEitherCase) {
  const Digest digest = Sha256("x");
  EXPECT_EQ(DigestFromHex(ToHex(digest)), digest);
  EXPECT_EQ(DigestFromHex(std::string(64, 'A')), DigestFromHex(std::string(64, 'a')));
  EXPECT_FALSE(DigestFromHex(std::string(63, 'a')));
  EXPECT_FALSE(DigestFromHex(std::string(63, 'a') + "g"));
}

TEST(Digest, OfChanceIsNeverTheSame) { EXPECT_NE(RandomDigest(), RandomDigest()); }

}  // namespace
}  // namespace baton::access
