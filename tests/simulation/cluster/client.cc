#include "client.h"

#include <gtest/gtest.h>

namespace baton::simulation {
namespace {

/// How a request may end when workers and links fail or limits are reached.
bool MayEndWith(StatusCode code) {
  return code == StatusCode::kUnavailable || code == StatusCode::kDeadlineExceeded ||
         code == StatusCode::kResourceExhausted;
}

}  // namespace

void SimulatedRequest::OnRoute(std::string) {
  if (lost) return;
  EXPECT_FALSE(ended_ || complete_) << Describe() << " got a route after the end";
}

void SimulatedRequest::OnToken(TokenOutput output) {
  if (lost) return;
  EXPECT_FALSE(ended_ || complete_) << Describe() << " got a token after the end";
  ASSERT_LT(tokens_, expected_.tokens.size()) << "same tokens: " << Describe() << " got too many";
  EXPECT_EQ(output.token, expected_.tokens[tokens_])
      << "same tokens: " << Describe() << ", token " << tokens_;
  EXPECT_EQ(output.position, static_cast<int32_t>(expected_.request.prompt.size() + tokens_))
      << Describe();
  ++tokens_;
  complete_ = output.finish != FinishReason::kNone;
  EXPECT_EQ(complete_, tokens_ == expected_.tokens.size())
      << "same tokens: " << Describe() << " ends at another place";
}

void SimulatedRequest::OnEnd(Status status) {
  if (lost) return;
  EXPECT_FALSE(ended_) << Describe() << " ended twice";
  ended_ = true;
  end_ = std::move(status);
  EXPECT_EQ(end_.ok(), complete_) << Describe() << " ended with " << end_;
  EXPECT_TRUE(end_.ok() || cancelled || !must_finish) << Describe() << " ended with " << end_;
  EXPECT_TRUE(end_.ok() || MayEndWith(end_.code()) ||
              (cancelled && end_.code() == StatusCode::kCancelled))
      << Describe() << " ended with " << end_;
}

}  // namespace baton::simulation
