#include "trace_lines.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "baton/base/json_nesting.h"

namespace baton::loadgen {
namespace {

using Json = nlohmann::json;

/// Longest prompt or output of a line that is taken for one.
constexpr int64_t kMostTokens = 100'000'000;

Status WrongLine(const std::string& what) { return InvalidArgument(what); }

/// Takes the text up to the next comma from `line`.
std::string_view TakeField(std::string_view& line) {
  const size_t comma = line.find(',');
  const std::string_view field = line.substr(0, comma);
  line = comma == std::string_view::npos ? std::string_view() : line.substr(comma + 1);
  return field;
}

Result<int32_t> ParseTokens(std::string_view text, const char* what) {
  int64_t tokens = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, tokens);
  if (error == std::errc() && at == end && tokens >= 0 && tokens <= kMostTokens) {
    return static_cast<int32_t>(std::max<int64_t>(tokens, 1));
  }
  return WrongLine(std::string(what) + " is '" + std::string(text) +
                   "', not a whole number of tokens");
}

Result<Duration> ParseTimestamp(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, read = 0;
  double second = 0;
  const std::string copy(text);
  const int fields = std::sscanf(copy.c_str(), "%4d-%2d-%2d%*1[ T]%2d:%2d:%lf%n", &year, &month,
                                 &day, &hour, &minute, &second, &read);
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  const std::string_view rest = fields == 6 ? text.substr(static_cast<size_t>(read)) : text;
  const bool zone = rest.empty() || rest == "Z" || rest == "+00:00";
  if (fields != 6 || !zone || !date.ok() || hour > 23 || minute > 59 || !(second < 61)) {
    return WrongLine("TIMESTAMP is '" + copy + "', not like 2023-11-16 18:15:46.6805900");
  }
  return std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + Duration(std::llround(second * 1e9));
}

Result<int64_t> TakeInteger(const Json& object, const char* name, int64_t most) {
  const auto found = object.find(name);
  if (found == object.end()) return WrongLine(std::string("has no \"") + name + "\"");
  if (!found->is_number_integer() || found->get<int64_t>() < 0 || found->get<int64_t>() > most) {
    return WrongLine(std::string("\"") + name + "\" is " + found->dump() +
                     ", not a whole number from 0");
  }
  return found->get<int64_t>();
}

Status TakeBlockIds(const Json& object, std::vector<int64_t>& ids) {
  const auto found = object.find("hash_ids");
  if (found == object.end()) return OkStatus();
  if (!found->is_array()) return WrongLine("\"hash_ids\" is no list");
  for (const Json& id : *found) {
    if (!id.is_number_integer()) return WrongLine("\"hash_ids\" holds " + id.dump());
    ids.push_back(id.get<int64_t>());
  }
  return OkStatus();
}

}  // namespace

Result<TraceRequest> ParseAzureLine(std::string_view line) {
  TraceRequest request;
  BATON_ASSIGN_OR_RETURN(request.at, ParseTimestamp(TakeField(line)));
  BATON_ASSIGN_OR_RETURN(request.prompt_tokens, ParseTokens(TakeField(line), "ContextTokens"));
  BATON_ASSIGN_OR_RETURN(request.output_tokens, ParseTokens(TakeField(line), "GeneratedTokens"));
  if (!line.empty()) return WrongLine("has more than three fields");
  return request;
}

Result<TraceRequest> ParseMooncakeLine(std::string_view line) {
  // About a century.
  constexpr int64_t kMostMs = int64_t{100} * 366 * 86'400'000;
  if (JsonNesting(line) > kMaxJsonNesting) return WrongLine("nests too deeply");
  const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return WrongLine(
        "is neither a JSON object of Mooncake's format nor preceded by Azure's header "
        "TIMESTAMP,ContextTokens,GeneratedTokens");
  }
  TraceRequest request;
  BATON_ASSIGN_OR_RETURN(const int64_t at_ms, TakeInteger(object, "timestamp", kMostMs));
  BATON_ASSIGN_OR_RETURN(const int64_t prompt, TakeInteger(object, "input_length", kMostTokens));
  BATON_ASSIGN_OR_RETURN(const int64_t output, TakeInteger(object, "output_length", kMostTokens));
  BATON_RETURN_IF_ERROR(TakeBlockIds(object, request.block_ids));
  request.at = std::chrono::milliseconds(at_ms);
  request.prompt_tokens = static_cast<int32_t>(std::max<int64_t>(prompt, 1));
  request.output_tokens = static_cast<int32_t>(std::max<int64_t>(output, 1));
  return request;
}

}  // namespace baton::loadgen
