#pragma once

#include <memory>
#include <string>

#include "baton/base/clock.h"
#include "baton/discovery/source.h"

namespace baton::discovery {

/// Finds the workers that a file lists; src/discovery/places.h says how. Reads it again when it has
/// changed, looking every `interval`; one that is wrong changes nothing. Fails with InvalidArgument
/// where it is wrong from the start.
Result<std::unique_ptr<Source>> FileSource(const std::string& file, Duration interval,
                                           const Clock& clock);

}  // namespace baton::discovery
