#include "error_response.h"

namespace baton::http {

HttpResponse ErrorResponse(const api::ApiError& error) {
  HttpResponse response;
  response.status = error.status;
  response.body = api::ErrorJson(error);
  if (error.status == 429 || error.status == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

}  // namespace baton::http
