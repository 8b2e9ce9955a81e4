#include "number_range.h"

#include "unit/grammar/grammar_samples.h"

namespace baton::grammar {
namespace {

std::optional<Bound> BoundOf(std::string_view text, bool exclusive = false) {
  const auto decimal = Decimal::Parse(text);
  BATON_CHECK(decimal) << text;
  return Bound{*decimal, exclusive};
}

class Accepting {
 public:
  explicit Accepting(const ExprPtr& expr) : grammar_(Compile("root ::= " + Print(expr))) {}
  bool operator()(const std::string& text) const {
    if (grammar_ == nullptr) return false;
    Matcher matcher(grammar_, Bytes());
    return matcher.AcceptBytes(text) && matcher.MayEnd();
  }

 private:
  /// Null where there are no texts.
  static std::shared_ptr<const Grammar> Compile(const std::string& text) {
    const auto compiled = Grammar::Compile(text);
    return compiled.ok() ? *compiled : nullptr;
  }
  std::shared_ptr<const Grammar> grammar_;
};

TEST(Decimal, ReadsNumbersAsJsonWritesThem) {
  const auto read = [](std::string_view text) {
    const auto decimal = Decimal::Parse(text);
    if (!decimal) return std::string("none");
    return (decimal->negative ? "-" : "") + decimal->whole + "." + decimal->fraction;
  };
  EXPECT_EQ(read("-12.50"), "-12.5");
  EXPECT_EQ(read("1e3"), "1000.");
  EXPECT_EQ(read("1.5e-4"), "0.00015");
  EXPECT_EQ(read("-0.0"), "0.");
  EXPECT_EQ(read("123456789012345678"), "123456789012345678.");
  EXPECT_EQ(read("1234567890123.456"), "none");
  EXPECT_EQ(read("1e300"), "none");
}

TEST(NumberRange, TakesExactlyTheIntegersWithin) {
  Random random(5);
  for (int round = 0; round < 60; ++round) {
    const int64_t min = static_cast<int64_t>(random.Below(2400)) - 1200;
    const int64_t max = min + static_cast<int64_t>(random.Below(1500)) - 20;
    const bool exclusive = random.Below(2) == 0;
    const Accepting takes(IntegersIn(
        {BoundOf(std::to_string(min), exclusive), BoundOf(std::to_string(max), exclusive)}));
    for (int64_t n = -1300; n < 2800; n += 1 + static_cast<int64_t>(random.Below(7))) {
      const bool within = exclusive ? min < n && n < max : min <= n && n <= max;
      ASSERT_EQ(takes(std::to_string(n)), within) << min << " " << max << " " << n;
    }
  }
}

TEST(NumberRange, RoundsBoundsOfIntegersInwards) {
  const Accepting takes(IntegersIn({BoundOf("-1.5"), BoundOf("2.5")}));
  for (const char* in : {"-1", "0", "1", "2"}) EXPECT_TRUE(takes(in)) << in;
  for (const char* out : {"-2", "3", "-0", "00", "1.0"}) EXPECT_FALSE(takes(out)) << out;
}

TEST(NumberRange, LeavesIntegersOpenOnOneSide) {
  const Accepting takes(IntegersIn({BoundOf("95"), std::nullopt}));
  for (const char* in : {"95", "99", "100", "999999999999999999"}) EXPECT_TRUE(takes(in)) << in;
  for (const char* out : {"94", "9", "-100", "1000000000000000000"})
    EXPECT_FALSE(takes(out)) << out;
}

TEST(NumberRange, TakesNumbersWithinAsDoublesCompare) {
  const char* const kBounds[] = {"-12.75", "-1", "-0.5", "0",  "0.25",
                                 "0.3",    "1",  "9.99", "10", "99.5"};
  Random random(6);
  int taken = 0;
  for (const char* min : kBounds) {
    for (const char* max : kBounds) {
      for (const bool exclusive : {false, true}) {
        const double low = std::stod(min), high = std::stod(max);
        if (low > high) continue;
        const Accepting takes(NumbersIn({BoundOf(min, exclusive), BoundOf(max, exclusive)}));
        for (int attempt = 0; attempt < 120; ++attempt) {
          std::string number = random.Below(3) == 0 ? "-" : "";
          number += std::to_string(random.Below(random.Below(2) == 0 ? 11 : 101));
          if (random.Below(4) != 0) number += "." + std::to_string(random.Below(1000));
          if (random.Below(8) == 0) number = random.Below(2) == 0 ? min : max;
          const double value = std::stod(number);
          if (value == 0 && number[0] == '-') continue;
          const bool within =
              exclusive ? low < value && value < high : low <= value && value <= high;
          ASSERT_EQ(takes(number), within) << min << " to " << max << ": " << number;
          taken += within ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GT(taken, 1000);
}

}  // namespace
}  // namespace baton::grammar
