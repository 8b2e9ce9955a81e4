#pragma once

#include <stop_token>
#include <string>

#include "baton/base/status.h"
#include "pair_figures.h"

namespace baton::app {

/// Lets others measure against this process, one after the other, until `stop`. `address` is
/// "host:port" or "port"; port 0 chooses. Prints "listening on HOST:PORT" once it does.
/// Fails with Unavailable when it cannot listen.
Status ServePairMeasurements(const std::string& address, const std::string& tls,
                             const std::stop_token& stop);

/// Measures against a process that serves measurements. Fails with Unavailable or DeadlineExceeded,
/// naming the step.
Result<PairFigures> MeasurePair(const std::string& address, const std::string& tls);

/// Starts a second process of this executable and measures against it.
Result<PairFigures> MeasurePairOnThisHost(const std::string& tls);

}  // namespace baton::app
