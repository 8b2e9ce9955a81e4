#include "request_body.h"

#include <string_view>

#include <google/protobuf/util/json_util.h>

namespace baton::grpc {

namespace {

/// Adds a member to the front of the object that `json` is.
void Prepend(std::string& json, std::string_view member) {
  const bool empty = json == "{}";
  json.insert(1, std::string(member) + (empty ? "" : ","));
}

Result<std::string> ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok())
    return InvalidArgument("the request has no JSON form: " + std::string(status.message()));
  return json;
}

/// What JSON takes as a number but protobuf writes as a string, and what is no field here.
template <typename Request>
Result<std::string> ToGenerationBody(Request request, bool stream) {
  std::string first = stream ? R"("stream":true)" : R"("stream":false)";
  if (request.has_seed()) first += R"(,"seed":)" + std::to_string(request.seed());
  request.clear_seed();
  BATON_ASSIGN_OR_RETURN(std::string json, ToJson(request));
  Prepend(json, first);
  return json;
}

}  // namespace

Result<std::string> ToBody(const v1::CompleteRequest& request, bool stream) {
  if (request.prompt_token_ids().empty()) return ToGenerationBody(request, stream);
  if (!request.prompt().empty())
    return InvalidArgument("'prompt' and 'prompt_token_ids' exclude each other");
  std::string prompt = R"("prompt":[)";
  for (const int32_t token : request.prompt_token_ids())
    prompt += (prompt.back() == '[' ? "" : ",") + std::to_string(token);
  v1::CompleteRequest rest = request;
  rest.clear_prompt_token_ids();
  BATON_ASSIGN_OR_RETURN(std::string json, ToGenerationBody(std::move(rest), stream));
  Prepend(json, prompt + "]");
  return json;
}

Result<std::string> ToBody(const v1::ChatRequest& request, bool stream) {
  return ToGenerationBody(request, stream);
}

Result<std::string> ToBody(const v1::TokenizeRequest& request) { return ToJson(request); }

Result<std::string> ToBody(const v1::DetokenizeRequest& request) {
  if (!request.tokens().empty()) return ToJson(request);
  // No tokens are a list all the same.
  BATON_ASSIGN_OR_RETURN(std::string json, ToJson(request));
  Prepend(json, R"("tokens":[])");
  return json;
}

}  // namespace baton::grpc
