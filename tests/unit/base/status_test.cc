#include "baton/base/status.h"

#include <memory>

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Status, IsOkByDefault) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(OkStatus().ToString(), "OK");
}

TEST(Status, PrintsItsCodeAndMessage) {
  EXPECT_EQ(InvalidArgument("top_k is negative").ToString(), "InvalidArgument: top_k is negative");
}

TEST(Status, CarriesGrpcsNumbers) {
  EXPECT_EQ(static_cast<int>(InvalidArgument("").code()), 3);
  EXPECT_EQ(static_cast<int>(ResourceExhausted("").code()), 8);
  EXPECT_EQ(static_cast<int>(Unavailable("").code()), 14);
}

TEST(Status, KeepsCodeAndBlastWhenContextIsAdded) {
  const Status status = Unavailable("no route").WithBlast(Blast::kPeer).WithContext("joining p0");
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.blast(), Blast::kPeer);
  EXPECT_EQ(status.message(), "joining p0: no route");
}

Result<int> Half(int n) {
  if (n % 2 != 0) return InvalidArgument("odd");
  return n / 2;
}

Result<int> Quarter(int n) {
  BATON_ASSIGN_OR_RETURN(const int half, Half(n));
  return Half(half);
}

Status CheckQuarter(int n) {
  BATON_RETURN_IF_ERROR(Quarter(n).status());
  return OkStatus();
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(*Half(4), 2);
  EXPECT_FALSE(Half(3).ok());
  EXPECT_EQ(Half(3).status().message(), "odd");
}

TEST(Result, PassesErrorsUpThroughTheMacros) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
  EXPECT_TRUE(CheckQuarter(8).ok());
  EXPECT_FALSE(CheckQuarter(2).ok());
}

TEST(Result, GivesUpAMoveOnlyValue) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 5);
}

TEST(ResultDeathTest, AbortsWhenAnErrorIsUsedAsAValue) { EXPECT_DEATH((void)*Half(3), "odd"); }

TEST(ResultDeathTest, AbortsOnAnOkStatusWithoutAValue) {
  EXPECT_DEATH(Result<int>{OkStatus()}, "needs a value or an error");
}

}  // namespace
}  // namespace baton
