#include "baton/loadgen/probe.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "unit/loadgen/scripted_client.h"

namespace baton::loadgen {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kUrl[] = "http://h:1";
constexpr char kModels[] = R"({"object":"list","data":[{"id":"a"},{"id":"b"}]})";

Result<std::string> Find(const Script& answer, const std::string& wanted) {
  ManualClock clock;
  ScriptedClient client(clock, [&](const HttpCall&) { return answer; });
  return FindModel(client, kUrl, wanted);
}

TEST(FindModel, TakesTheFirstThatIsServed) {
  EXPECT_EQ(*Find(AnswerScript(200, kModels), ""), "a");
}

TEST(FindModel, TakesTheOneAskedFor) { EXPECT_EQ(*Find(AnswerScript(200, kModels), "b"), "b"); }

TEST(FindModel, NamesWhatIsServedInsteadOfAWrongOne) {
  const auto found = Find(AnswerScript(200, kModels), "c");
  EXPECT_EQ(found.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(found.status().message(),
              AllOf(HasSubstr("'c'"), HasSubstr("--model to one of: a, b")));
}

TEST(FindModel, BelievesTheUserWhereTheServerListsNothing) {
  EXPECT_EQ(*Find(AnswerScript(404, "no"), "m"), "m");
  EXPECT_THAT(Find(AnswerScript(404, "no"), "").status().message(), HasSubstr("--model"));
}

TEST(FindModel, SaysThatNobodyAnswersAndWhatToDo) {
  const auto found = Find({.end = {.error = "connect", .message = "Connection refused"}}, "");
  EXPECT_EQ(found.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(found.status().message(),
              AllOf(HasSubstr(kUrl), HasSubstr("Connection refused"), HasSubstr("--url")));
}

TEST(FindModel, AsksForTheKeyThatTheServerWants) {
  const auto found = Find(AnswerScript(401, R"({"error":{"message":"who?"}})"), "");
  EXPECT_THAT(found.status().message(), AllOf(HasSubstr("who?"), HasSubstr("--api-key")));
}

/// A tokenizer that takes a token per `letters` of a word, adds two to every text, and seven more
/// to a chat.
Script Tokenize(const HttpCall& call, int letters) {
  const Json body = Json::parse(call.body);
  const bool chat = body.contains("messages");
  const std::string text =
      chat ? body["messages"][0]["content"].get<std::string>() : body["prompt"].get<std::string>();
  std::istringstream words(text);
  int count = chat ? 9 : 2;
  for (std::string word; words >> word;) {
    count += (static_cast<int>(word.size()) + letters - 1) / letters;
  }
  return AnswerScript(200, Json({{"count", count}, {"tokens", Json::array()}}).dump());
}

struct Counted {
  WordCount count;
  size_t calls = 0;
};
Counted Count(int letters, bool chat) {
  ManualClock clock;
  ScriptedClient client(clock, [=](const HttpCall& call) { return Tokenize(call, letters); });
  WordCount count = CountWords(client, "m", chat);
  return {std::move(count), client.calls.size()};
}

TEST(CountWords, NeedsFewQuestionsWhereEveryWordIsOneToken) {
  const Counted counted = Count(100, false);
  EXPECT_TRUE(counted.count.by_tokenizer);
  EXPECT_EQ(counted.count.how, "counted by the server's /tokenize");
  EXPECT_EQ(counted.count.words.overhead(), 2);
  EXPECT_LT(counted.calls, 6U);
}

TEST(CountWords, LearnsWhatEachWordCosts) {
  const Counted counted = Count(3, true);
  EXPECT_EQ(counted.count.how, "counted by the server's /tokenize");
  EXPECT_EQ(counted.count.words.overhead(), 9);
  std::string text;
  counted.count.words.Append(text, 300, Random(1));
  EXPECT_LT(std::count(text.begin(), text.end(), ' '), 250);
}

TEST(CountWords, CountsWordsAndSaysSoWhereThereIsNoTokenizer) {
  ManualClock clock;
  ScriptedClient client(clock, [](const HttpCall&) { return AnswerScript(404, "{}"); });
  const WordCount count = CountWords(client, "m", false);
  EXPECT_FALSE(count.by_tokenizer);
  EXPECT_THAT(count.how, HasSubstr("by words, each as one token"));
  EXPECT_EQ(count.words.overhead(), 0);
}

}  // namespace
}  // namespace baton::loadgen
