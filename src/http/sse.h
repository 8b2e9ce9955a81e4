#pragma once

#include <string_view>

namespace baton::http {

/// Server-sent events: an event is kSseData, JSON text without line breaks, kSseEnd. One with a
/// name has that before, as a line of its own behind kSseName.
inline constexpr std::string_view kSseName = "event: ";
inline constexpr std::string_view kSseData = "data: ";
inline constexpr std::string_view kSseEnd = "\n\n";
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";
/// A comment, which clients skip.
inline constexpr std::string_view kSseKeepAlive = ": keep-alive\n\n";

}  // namespace baton::http
