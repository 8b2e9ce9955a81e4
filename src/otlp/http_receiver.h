#pragma once

#include <memory>

#include "baton/base/status.h"
#include "baton/otlp/settings.h"
#include "receiver.h"

namespace baton::otlp {

/// The one at the endpoint of `settings`. Fails with InvalidArgument where a file of them is wrong.
Result<std::unique_ptr<Receiver>> HttpReceiver(const Settings& settings);

}  // namespace baton::otlp
