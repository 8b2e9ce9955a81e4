// The JSON bodies of all routes that take one, to answers.
#include <iterator>

#include "fuzz_target.h"
#include "http_world.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

enum Route : uint8_t { kText, kChat, kResponses, kMessages, kCountTokens, kTokenize, kDetokenize };
constexpr const char* kPaths[] = {"/v1/completions", "/v1/chat/completions",      "/v1/responses",
                                  "/v1/messages",    "/v1/messages/count_tokens", "/tokenize",
                                  "/detokenize"};

std::vector<std::string> Seeds() {
  const auto seed = [](uint8_t route, const std::string& body) {
    return InputWriter().Byte(route).Rest(body).bytes();
  };
  return {
      seed(kText,
           R"({"model":"tiny","prompt":"It was a","max_tokens":4,"temperature":0.5,"seed":4,)"
           R"("top_p":0.9,"top_k":-1,"min_p":0.1,"repetition_penalty":1.1,"n":2,)"
           R"("frequency_penalty":-1,"presence_penalty":2,"stop":["x","yz"],"logprobs":2})"),
      seed(kText, R"({"prompt":[[1,2,3],"a",[]],"echo":true,"stream":true,"stream_options":)"
                  R"({"include_usage":true},"stop_token_ids":[5],"ignore_eos":true,"seed":1})"),
      seed(kText, R"({"prompt":["a","b","c","d","e","f","g","h"],"n":16,"stop":")" +
                      std::string(900, 'x') + R"("})"),
      seed(kChat,
           R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":)"
           R"([{"type":"text","text":"Hi \u00e9"},{"type":"text","text":"you"}]},)"
           R"({"role":"assistant"}],"max_completion_tokens":3,"logprobs":true,)"
           R"("top_logprobs":2,"stream":true,"seed":8,"return_token_ids":true})"),
      seed(kChat,
           R"({"messages":[{"role":"user","content":"Hi"}],"chat_template_kwargs":)"
           R"({"enable_thinking":false,"bos_token":"x"},"add_generation_prompt":false,)"
           R"("response_format":{"type":"text"},"tool_choice":"none","baton":{},"user":"u",)"
           R"("min_tokens":1,"skip_special_tokens":false,"include_stop_str_in_output":true})"),
      seed(kChat,
           R"({"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":)"
           R"({"name":"f","parameters":{"type":"object","properties":{"a":{"enum":[1]}}}}}],)"
           R"("tool_choice":"required","parallel_tool_calls":false,"max_tokens":9,"seed":4})"),
      seed(kText,
           R"({"prompt":"a","prompt_logprobs":2,"logit_bias":{"5":-100},"best_of":2,"seed":4,)"
           R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":)"
           R"({"type":"array","items":{"type":"integer"}}}},"baton":{"priority":1,)"
           R"("ttft_slo_ms":5,"session":"s"}})"),
      seed(kResponses,
           R"({"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]},)"
           R"({"type":"function_call","call_id":"c","name":"f","arguments":"{}"},)"
           R"({"type":"function_call_output","call_id":"c","output":"1"}],"stream":true,)"
           R"("instructions":"Be brief.","max_output_tokens":5,"tools":[{"type":"function",)"
           R"("name":"f","parameters":{"type":"object"}}],"text":{"format":{"type":"text"}}})"),
      seed(kMessages,
           R"({"model":"tiny","max_tokens":5,"system":[{"type":"text","text":"s"}],"stream":)"
           R"(true,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":)"
           R"([{"type":"tool_use","id":"t","name":"f","input":{"a":1}}]},{"role":"user",)"
           R"("content":[{"type":"tool_result","tool_use_id":"t","content":"1"}]}],)"
           R"("stop_sequences":["x"],"tools":[{"name":"f","input_schema":{"type":"object"}}]})"),
      seed(kCountTokens, R"({"model":"tiny","messages":[{"role":"user","content":"Hi"}]})"),
      seed(kTokenize, R"({"prompt":"Hi","return_token_strs":true})"),
      seed(kDetokenize, R"({"tokens":[1,2,3]})")};
}

void Run(std::string_view input) {
  static HttpWorld world;
  InputReader reader(input);
  http::HttpRequest request;
  request.method = "POST";
  request.path = kPaths[reader.Byte() % std::size(kPaths)];
  request.body = reader.Rest();
  (void)world.Answer(std::move(request));
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 8192,
                         .seeds = &Seeds,
                         .words = {"\"prompt\":",
                                   "\"messages\":",
                                   "\"role\":\"user\"",
                                   "\"role\":\"tool\"",
                                   "\"content\":",
                                   "\"stream\":true",
                                   "\"stop\":[",
                                   "\"n\":16",
                                   "\"best_of\":",
                                   "\"suffix\":",
                                   "\"tools\":[",
                                   "\"tool_calls\":[",
                                   "\"chat_template_kwargs\":{",
                                   "\"logit_bias\":{",
                                   "\"input\":[",
                                   "\"type\":\"function_call\"",
                                   "\"type\":\"tool_use\"",
                                   "\"input_schema\":{",
                                   "\"guided_regex\":",
                                   "\"json_schema\":{",
                                   "\"response_format\":",
                                   "\"modalities\":[\"text\"]",
                                   "\"stop_token_ids\":[",
                                   "\"max_tokens\":",
                                   "\"seed\":",
                                   "\"echo\":true",
                                   "\"type\":\"refusal\"",
                                   "\"refusal\":",
                                   "null",
                                   "true",
                                   "1e400",
                                   "-1",
                                   "1.5",
                                   "9223372036854775808",
                                   "\\ud83d",
                                   "\\ude00",
                                   "\\u0000",
                                   "[[",
                                   "{\"a\":",
                                   "]]"},
                         .run = &Run};

}  // namespace baton::fuzz
