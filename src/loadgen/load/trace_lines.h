#pragma once

#include <string_view>

#include "baton/base/status.h"
#include "baton/loadgen/trace.h"

namespace baton::loadgen {

/// "2023-11-16 18:15:46.6805900,374,44": its time is that since 1970. Fails with InvalidArgument.
Result<TraceRequest> ParseAzureLine(std::string_view line);
/// {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}. Fails
/// with InvalidArgument.
Result<TraceRequest> ParseMooncakeLine(std::string_view line);

}  // namespace baton::loadgen
