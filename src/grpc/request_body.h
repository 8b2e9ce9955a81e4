#pragma once

#include <string>

#include "baton/base/status.h"
#include "baton/v1/completion.pb.h"

namespace baton::grpc {

/// The body with which the same would be asked over HTTP. *Fails with* InvalidArgument for a
/// request that has no such form.
Result<std::string> ToBody(const v1::CompleteRequest& request, bool stream);
Result<std::string> ToBody(const v1::ChatRequest& request, bool stream);
Result<std::string> ToBody(const v1::TokenizeRequest& request);
Result<std::string> ToBody(const v1::DetokenizeRequest& request);

}  // namespace baton::grpc
