#pragma once

#include <string_view>

namespace baton::api {

/// The description of the API over HTTP, an OpenAPI 3.1 document: src/api/openapi.json.
std::string_view OpenApiJson();

}  // namespace baton::api
