// The JSON bodies of /v1/completions and /v1/chat/completions, to answers.
#include "fuzz_target.h"
#include "http_world.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

constexpr uint8_t kText = 0;
constexpr uint8_t kChat = 1;

std::vector<std::string> Seeds() {
  const auto seed = [](uint8_t route, const std::string& body) {
    return InputWriter().Byte(route).Rest(body).bytes();
  };
  return {seed(kText,
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
               R"("min_tokens":1,"skip_special_tokens":false,"include_stop_str_in_output":true})")};
}

void Run(std::string_view input) {
  static HttpWorld world;
  InputReader reader(input);
  http::HttpRequest request;
  request.method = "POST";
  request.path = (reader.Byte() & 1) == kText ? "/v1/completions" : "/v1/chat/completions";
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
