#include "baton/api/error.h"

#include <algorithm>
#include <cmath>

#include "baton/api/json_writer.h"
#include "baton/text/utf8.h"

namespace baton::api {

namespace {

/// What is foretold is good for so long. OpenAI's clients heed no more than a minute.
constexpr double kLongestRetryAfterS = 60;

std::string_view TypeOf(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

void AppendOptional(std::string& out, const std::string& text) {
  if (text.empty()) {
    out += "null";
  } else {
    AppendJsonString(out, text::ToValidUtf8(text));
  }
}

}  // namespace

ApiError ModelNotFound(const std::string& asked, const std::string& served) {
  return {404, "the model '" + asked + "' does not exist; this server has '" + served + "'",
          "model", "model_not_found"};
}

ApiError ToApiError(const Status& status) {
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kOutOfRange:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kUnimplemented: return {400, status.message()};
    case StatusCode::kUnauthenticated: return {401, status.message()};
    case StatusCode::kPermissionDenied: return {403, status.message()};
    case StatusCode::kNotFound: return {404, status.message()};
    case StatusCode::kAlreadyExists: return {409, status.message()};
    case StatusCode::kResourceExhausted: return {429, status.message(), {}, "rate_limit_exceeded"};
    case StatusCode::kDeadlineExceeded: return {504, status.message(), {}, "deadline_exceeded"};
    case StatusCode::kUnavailable:
    case StatusCode::kAborted:
    case StatusCode::kCancelled: return {503, status.message(), {}, "service_unavailable"};
    default: return {500, status.message(), {}, "internal_error"};
  }
}

ApiError ToApiError(const Status& status, const Refusal& refusal) {
  ApiError error = ToApiError(status);
  error.code = refusal.reason;
  const double seconds = std::ceil(Seconds(refusal.retry_after));
  error.retry_after_s = static_cast<int32_t>(std::min(seconds, kLongestRetryAfterS));
  return error;
}

std::string ErrorJson(const ApiError& error) {
  std::string out = R"({"error":{"message":)";
  AppendJsonString(out, text::ToValidUtf8(error.message));
  out += R"(,"type":)";
  AppendJsonString(out, TypeOf(error.status));
  out += R"(,"param":)";
  AppendOptional(out, error.param);
  out += R"(,"code":)";
  AppendOptional(out, error.code);
  out += "}}";
  return out;
}

}  // namespace baton::api
