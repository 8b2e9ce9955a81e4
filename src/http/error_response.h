#pragma once

#include "baton/api/dialect.h"
#include "baton/api/error.h"
#include "http_message.h"

namespace baton::http {

/// With Retry-After where trying again helps.
HttpResponse ErrorResponse(const api::ApiError& error);
/// The same in a dialect.
HttpResponse ErrorResponse(const api::ApiError& error, const api::Dialect& dialect,
                           const std::string& request_id);

}  // namespace baton::http
