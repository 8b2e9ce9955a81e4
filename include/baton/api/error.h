#pragma once

#include <cstdint>
#include <string>

#include "baton/api/completion_backend.h"
#include "baton/base/status.h"

namespace baton::api {

/// An error as OpenAI's clients read it.
struct ApiError {
  int status = 400;
  std::string message;
  /// The request's field at fault; empty for none.
  std::string param = {};
  /// For programs, e.g. "context_length_exceeded"; empty for none.
  std::string code = {};
  /// When it is worth to ask again; 0: nobody knows.
  int32_t retry_after_s = 0;
};

ApiError ModelNotFound(const std::string& asked, const std::string& served);

/// The error for what the backend or another module said.
ApiError ToApiError(const Status& status);
ApiError ToApiError(const Status& status, const Refusal& refusal);

/// {"error":{"message":...,"type":...,"param":...,"code":...}}
std::string ErrorJson(const ApiError& error);

}  // namespace baton::api
