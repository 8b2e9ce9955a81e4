#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "load.h"

namespace baton::test {

/// Each request was answered to the end, and as in `expected`.
inline void ExpectSame(const std::vector<Outcome>& outcomes, const std::vector<Outcome>& expected) {
  ASSERT_EQ(outcomes.size(), expected.size());
  ASSERT_FALSE(expected.empty());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    SCOPED_TRACE("request " + std::to_string(i));
    ASSERT_EQ(outcomes[i].status, 200) << outcomes[i].error;
    EXPECT_TRUE(outcomes[i].complete);
    EXPECT_EQ(outcomes[i].text, expected[i].text);
    EXPECT_EQ(outcomes[i].logprobs, expected[i].logprobs);
    EXPECT_EQ(outcomes[i].finish_reason, expected[i].finish_reason);
  }
}

}  // namespace baton::test
