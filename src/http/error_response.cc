#include "error_response.h"

#include <algorithm>
#include <string>

namespace baton::http {

HttpResponse ErrorResponse(const api::ApiError& error) {
  HttpResponse response;
  response.status = error.status;
  response.body = api::ErrorJson(error);
  if (error.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  if (error.status == 429 || error.status == 503) {
    const int32_t retry_after_s = std::max(error.retry_after_s, 1);
    response.headers.push_back({"Retry-After", std::to_string(retry_after_s)});
  }
  return response;
}

HttpResponse ErrorResponse(const api::ApiError& error, const api::Dialect& dialect,
                           const std::string& request_id) {
  HttpResponse response = ErrorResponse(error);
  response.body = dialect.Error(error, request_id);
  if (const std::string_view header = dialect.request_id_header(); !header.empty())
    response.headers.push_back({std::string(header), request_id});
  return response;
}

}  // namespace baton::http
