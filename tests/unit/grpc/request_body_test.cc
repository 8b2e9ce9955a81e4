#include "grpc/request_body.h"

#include <gtest/gtest.h>

namespace baton::grpc {
namespace {

template <typename Request, typename... Arguments>
std::string BodyOf(const Request& request, Arguments... arguments) {
  const Result<std::string> body = ToBody(request, arguments...);
  EXPECT_TRUE(body.ok()) << body.status();
  return body.ok() ? *body : "";
}

TEST(RequestBody, SaysOnlyWhatWasSet) {
  v1::CompleteRequest request;
  EXPECT_EQ(BodyOf(request, false), R"({"stream":false})");
  request.add_prompt("Hi \"you\"");
  request.set_temperature(0.7F);
  request.set_max_tokens(0);
  EXPECT_EQ(BodyOf(request, true),
            R"({"stream":true,"prompt":["Hi \"you\""],"max_tokens":0,"temperature":0.7})");
}

TEST(RequestBody, KeepsTheNamesOfFieldsAndSeedsAsNumbers) {
  v1::ChatRequest request;
  v1::ChatMessage& message = *request.add_messages();
  message.set_role("user");
  message.set_content("");
  request.set_max_completion_tokens(5);
  request.set_seed(-9007199254740993);
  EXPECT_EQ(BodyOf(request, false),
            R"({"stream":false,"seed":-9007199254740993,)"
            R"("messages":[{"role":"user","content":""}],"max_completion_tokens":5})");
}

TEST(RequestBody, TakesFreeFormsAsTheyAre) {
  v1::ChatRequest request;
  (*request.mutable_baton()->mutable_fields())["timings"].set_bool_value(true);
  (*request.mutable_response_format()->mutable_fields())["n"].set_number_value(5);
  request.mutable_tool_choice()->set_string_value("auto");
  (*request.mutable_logit_bias())["17"] = -2.5F;
  EXPECT_EQ(BodyOf(request, false),
            R"({"stream":false,"logit_bias":{"17":-2.5},"tool_choice":"auto",)"
            R"("response_format":{"n":5},"baton":{"timings":true}})");
}

TEST(RequestBody, HasTokenIdsAsThePrompt) {
  v1::CompleteRequest request;
  request.add_prompt_token_ids(7);
  request.add_prompt_token_ids(0);
  EXPECT_EQ(BodyOf(request, false), R"({"prompt":[7,0],"stream":false})");
  request.add_prompt("x");
  EXPECT_EQ(ToBody(request, false).status().code(), StatusCode::kInvalidArgument);
}

TEST(RequestBody, DetokenizesNothingAsAList) {
  EXPECT_EQ(BodyOf(v1::DetokenizeRequest()), R"({"tokens":[]})");
}

}  // namespace
}  // namespace baton::grpc
