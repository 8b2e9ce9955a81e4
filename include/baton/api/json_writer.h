#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::api {

/// Appends what stands between the quotes of a JSON string. REQUIRES: `text` is valid UTF-8.
void AppendJsonEscaped(std::string& out, std::string_view text);

/// With the quotes.
void AppendJsonString(std::string& out, std::string_view text);

void AppendJsonInteger(std::string& out, int64_t value);

/// The shortest text that reads back as `value`. JSON knows no infinities: a log-probability of
/// minus infinity becomes OpenAI's -9999.
void AppendJsonLogprob(std::string& out, float value);

}  // namespace baton::api
