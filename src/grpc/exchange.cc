#include "exchange.h"

#include <algorithm>
#include <string_view>

#include <strings.h>

namespace baton::grpc {

namespace {

::grpc::StatusCode CodeOf(int http_status) {
  switch (http_status) {
    case 400: return ::grpc::StatusCode::INVALID_ARGUMENT;
    case 401: return ::grpc::StatusCode::UNAUTHENTICATED;
    case 403: return ::grpc::StatusCode::PERMISSION_DENIED;
    case 404: return ::grpc::StatusCode::NOT_FOUND;
    case 409: return ::grpc::StatusCode::ALREADY_EXISTS;
    case 413:
    case 429: return ::grpc::StatusCode::RESOURCE_EXHAUSTED;
    case 503: return ::grpc::StatusCode::UNAVAILABLE;
    case 504: return ::grpc::StatusCode::DEADLINE_EXCEEDED;
    default: return ::grpc::StatusCode::INTERNAL;
  }
}

}  // namespace

::grpc::Status ToGrpc(const api::ApiError& error, ::grpc::CallbackServerContext& context) {
  context.AddTrailingMetadata("baton-error-bin", api::ErrorJson(error));
  if (error.status == 429 || error.status == 503)
    context.AddTrailingMetadata("retry-after", std::to_string(std::max(error.retry_after_s, 1)));
  return {CodeOf(error.status), error.message};
}

std::string Metadata(const ::grpc::CallbackServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

TraceContext ContextIn(const ::grpc::CallbackServerContext& context) {
  // Two of `traceparent` are none; those of `tracestate` are one.
  if (context.client_metadata().count("traceparent") != 1) return {};
  std::string state;
  const auto [first, last] = context.client_metadata().equal_range("tracestate");
  for (auto line = first; line != last; ++line) {
    if (line != first) state += ',';
    state.append(line->second.data(), line->second.size());
  }
  return ReadTraceContext(Metadata(context, "traceparent"), state);
}

void DescribeEnd(const ::grpc::Status& status, telemetry::OpenSpan& span) {
  using Code = ::grpc::StatusCode;
  span.Set("rpc.grpc.status_code", int64_t{status.error_code()});
  switch (status.error_code()) {
    // What the client is to blame for is no error of ours.
    case Code::UNKNOWN:
    case Code::DEADLINE_EXCEEDED:
    case Code::UNIMPLEMENTED:
    case Code::INTERNAL:
    case Code::UNAVAILABLE:
    case Code::DATA_LOSS: span.Fail(std::to_string(status.error_code())); break;
    default: break;
  }
}

std::string KeyIn(const ::grpc::CallbackServerContext& context) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string value = Metadata(context, "authorization");
  if (strncasecmp(value.c_str(), kScheme.data(), kScheme.size()) != 0) return {};
  return value.substr(std::min(value.find_first_not_of(' ', kScheme.size()), value.size()));
}

}  // namespace baton::grpc
