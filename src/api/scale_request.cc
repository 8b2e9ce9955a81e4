#include "baton/api/scale_request.h"

#include "baton/api/json_writer.h"
#include "baton/text/utf8.h"
#include "json_fields.h"

namespace baton::api {
namespace {

constexpr int32_t kMostWorkers = 1 << 16;
constexpr int32_t kMostSeconds = 24 * 3600;

void ReadSeconds(JsonFields& fields, const std::string& name, Duration& value) {
  int32_t seconds = static_cast<int32_t>(std::chrono::ceil<std::chrono::seconds>(value).count());
  fields.Int(name, seconds, 0, kMostSeconds);
  value = std::chrono::seconds(seconds);
}

std::string CountsJson(const RoleCounts& counts) {
  std::string out = R"({"prefill":)";
  AppendJsonInteger(out, counts.prefill);
  out += R"(,"decode":)";
  AppendJsonInteger(out, counts.decode);
  out += R"(,"mixed":)";
  AppendJsonInteger(out, counts.mixed);
  return out + "}";
}

}  // namespace

std::string DescribeCounts(const RoleCounts& counts) {
  std::string text;
  for (const Role role : {Role::kPrefill, Role::kDecode, Role::kMixed}) {
    if (counts.of(role) == 0) continue;
    if (!text.empty()) text += " + ";
    text += std::to_string(counts.of(role)) + " " + std::string(RoleName(role));
  }
  return text.empty() ? "no workers" : text;
}

std::optional<ApiError> ReadScale(std::string_view body, int json_depth, ScaleRequest& request) {
  Json object;
  if (auto error = ParseBody(body, json_depth, object)) return error;
  JsonFields fields(object);
  fields.Int("prefill", request.wanted.prefill, 0, kMostWorkers);
  fields.Int("decode", request.wanted.decode, 0, kMostWorkers);
  fields.Int("mixed", request.wanted.mixed, 0, kMostWorkers);
  fields.Bool("dry_run", request.dry_run);
  ReadSeconds(fields, "drain_s", request.patience);
  ReadSeconds(fields, "timeout_s", request.timeout);
  // Elsewhere what is not known changes nothing; here a slip would change roles.
  for (const std::string& name : fields.Unknown()) {
    fields.Fail(name, "'" + name +
                          "' is not known; known are prefill, decode, mixed, dry_run, "
                          "drain_s and timeout_s");
  }
  return fields.error();
}

std::string ScaleJson(const ScaleState& state) {
  std::string out = R"({"number":)";
  AppendJsonInteger(out, static_cast<int64_t>(state.number));
  out += R"(,"under_way":)";
  out += state.under_way ? "true" : "false";
  out += R"(,"now":)" + CountsJson(state.now) + R"(,"wanted":)" + CountsJson(state.wanted);
  out += R"(,"lines":[)";
  for (size_t i = 0; i < state.lines.size(); ++i) {
    if (i > 0) out += ',';
    AppendJsonString(out, text::ToValidUtf8(state.lines[i]));
  }
  out += R"(],"error":)";
  if (state.outcome.ok()) return out + "null}";
  AppendJsonString(out, text::ToValidUtf8(state.outcome.message()));
  return out + "}";
}

}  // namespace baton::api
