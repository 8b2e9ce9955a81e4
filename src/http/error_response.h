#pragma once

#include "http_message.h"
#include "openai/error.h"

namespace baton::http {

/// With Retry-After where trying again helps.
HttpResponse ErrorResponse(const ApiError& error);

}  // namespace baton::http
