#include "grammars.h"

#include <bit>
#include <regex>

#include <gtest/gtest.h>

#include "baton/text/tokenizer.h"
#include "support/engine_driver.h"

namespace baton::worker {
namespace {

const std::string kModel = std::string(BATON_SOURCE_DIR) + "/configs/models/baton-tiny";

/// Draws the allowed token of the largest id until the output may end.
std::string Write(TokenConstraint& constraint, const text::Tokenizer& tokenizer) {
  const auto words = static_cast<size_t>((tokenizer.vocabulary_size() + 31) / 32);
  std::vector<uint32_t> mask(words);
  std::vector<TokenId> tokens;
  while (!constraint.MayEnd() && tokens.size() < 100) {
    constraint.FillMask(mask);
    size_t word = words;
    while (word > 0 && mask[word - 1] == 0) --word;
    if (word == 0) return "stuck";
    const auto bit = static_cast<size_t>(31 - std::countl_zero(mask[word - 1]));
    tokens.push_back(static_cast<TokenId>((word - 1) * 32 + bit));
    if (!constraint.Accept(tokens.back())) return "refused";
  }
  return tokenizer.Decode(tokens);
}

TEST(Grammars, SpeakTheTokensOfTheModel) {
  const auto tokenizer = *text::Tokenizer::Load(kModel);
  Grammars grammars(kModel, {*tokenizer->eos()});
  const auto constraint = grammars.Make("root ::= \"the baton \" [0-9]");
  ASSERT_TRUE(constraint.ok()) << constraint.status();
  EXPECT_EQ(Write(**constraint, *tokenizer).substr(0, 10), "the baton ");
}

TEST(Grammars, BindTheTextThatTheModelWrites) {
  const auto tokenizer = *text::Tokenizer::Load(kModel);
  const auto model = *model::Model::Load(kModel);
  Grammars grammars(kModel, model->eos_tokens());
  testing_support::DriverOptions options;
  options.engine.constraints = &grammars;
  options.grammars = false;
  testing_support::EngineDriver driver(*model, options);
  std::vector<SequenceId> sequences;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Request request{.id = "r", .prompt = tokenizer->Encode("When was that?")};
    request.sampling = {.seed = seed, .max_tokens = 30};
    request.grammar = "root ::= [0-9]{4} \"-\" [0-9]{2} \"-\" [0-9]{2}";
    sequences.push_back(driver.Submit(std::move(request)));
  }
  driver.RunUntilIdle();
  for (const SequenceId sequence : sequences) {
    const auto& log = driver.log(sequence);
    const std::string text = tokenizer->Decode(log.tokens);
    EXPECT_EQ(log.finish, FinishReason::kStop) << log.failed.value_or(OkStatus());
    EXPECT_TRUE(std::regex_match(text, std::regex("[0-9]{4}-[0-9]{2}-[0-9]{2}"))) << text;
  }
}

TEST(Grammars, FillMasksThatAreShorterThanTheTokenizersVocabulary) {
  Grammars grammars(kModel, {});
  const auto constraint = grammars.Make("root ::= [a-z]+");
  ASSERT_TRUE(constraint.ok()) << constraint.status();
  std::vector<uint32_t> mask(4, ~0u);
  (*constraint)->FillMask(std::span(mask).first(3));
  EXPECT_EQ(mask[3], ~0u) << "wrote past the end";
}

TEST(Grammars, RefuseATextThatIsNoGrammar) {
  Grammars grammars(kModel, {});
  EXPECT_EQ(grammars.Make("root ::= (").status().code(), StatusCode::kInvalidArgument);
}

TEST(Grammars, SayThatTheModelHasNoTokenizer) {
  Grammars grammars("/nonexistent", {});
  const Status status = grammars.Make("root ::= \"a\"").status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("tokenizer"), std::string::npos) << status;
}

}  // namespace
}  // namespace baton::worker
