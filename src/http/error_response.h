#pragma once

#include "baton/api/error.h"
#include "http_message.h"

namespace baton::http {

/// With Retry-After where trying again helps.
HttpResponse ErrorResponse(const api::ApiError& error);

}  // namespace baton::http
