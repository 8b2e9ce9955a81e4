#include "encode.h"

#include <map>
#include <utility>

#include <nlohmann/json.hpp>

namespace baton::otlp {
namespace {

using Json = nlohmann::ordered_json;
using telemetry::Attribute;
using telemetry::ProcessSpans;
using telemetry::TraceSpan;

// Of the enumerations in opentelemetry/proto/trace/v1/trace.proto.
constexpr int kKindInternal = 1;
constexpr int kKindServer = 2;
constexpr int kStatusError = 2;

/// What says where a process is: the router's is not true of workers.
constexpr std::string_view kOfOneProcess[] = {"service.instance.", "host.",    "process.",
                                              "container.",        "k8s.pod.", "k8s.container.",
                                              "k8s.node."};

/// JSON's numbers do not hold all 64-bit integers.
Json Integer(int64_t value) { return std::to_string(value); }

Json ToJson(const decltype(Attribute::value)& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return {{"stringValue", *text}};
  if (const auto* number = std::get_if<int64_t>(&value)) return {{"intValue", Integer(*number)}};
  if (const auto* real = std::get_if<double>(&value)) return {{"doubleValue", *real}};
  Json values = Json::array();
  for (const std::string& text : std::get<std::vector<std::string>>(value)) {
    values.push_back(Json{{"stringValue", text}});
  }
  return {{"arrayValue", {{"values", std::move(values)}}}};
}

Json Pair(const std::string& name, const decltype(Attribute::value)& value) {
  return {{"key", name}, {"value", ToJson(value)}};
}

Json ToJson(const TraceSpan& span, Duration unix_ahead) {
  const auto unix_ns = [&](TimePoint at) {
    return Integer((at.time_since_epoch() + unix_ahead).count());
  };
  Json json{{"traceId", span.where.trace.ToString()}, {"spanId", ToString(span.where.span)}};
  if (!span.where.state.empty()) json["traceState"] = span.where.state;
  if (span.parent != SpanId{}) json["parentSpanId"] = ToString(span.parent);
  json["name"] = span.name;
  json["kind"] = span.kind == TraceSpan::Kind::kServer ? kKindServer : kKindInternal;
  json["startTimeUnixNano"] = unix_ns(span.begin);
  json["endTimeUnixNano"] = unix_ns(span.end);
  Json attributes = Json::array();
  for (const Attribute& attribute : span.attributes) {
    attributes.push_back(Pair(attribute.name, attribute.value));
  }
  if (!attributes.empty()) json["attributes"] = std::move(attributes);
  if (!span.error.empty()) json["status"] = {{"code", kStatusError}, {"message", span.error}};
  return json;
}

Json ResourceOf(const ProcessSpans& process, const Origin& origin) {
  const bool router = process.role == "router";
  const std::string role = process.role.empty() ? "worker" : process.role;
  const std::string service = router ? origin.service_name : origin.service_name + "-" + role;
  Json attributes =
      Json::array({Pair("service.name", service), Pair("service.version", origin.version),
                   Pair("telemetry.sdk.name", std::string("baton")),
                   Pair("telemetry.sdk.language", std::string("cpp")),
                   Pair("telemetry.sdk.version", origin.version)});
  if (!router) attributes.push_back(Pair("service.instance.id", process.process));
  for (const auto& [name, value] : origin.router) {
    bool own = false;
    for (const std::string_view prefix : kOfOneProcess) own |= name.starts_with(prefix);
    if (router || !own) attributes.push_back(Pair(name, value));
  }
  return {{"attributes", std::move(attributes)}};
}

}  // namespace

std::string EncodeSpans(const std::vector<ProcessSpans>& batch, const Origin& origin,
                        Duration unix_ahead) {
  std::map<std::pair<std::string, std::string>, std::pair<const ProcessSpans*, Json>> processes;
  for (const ProcessSpans& process : batch) {
    auto& [first, spans] = processes[{process.role, process.process}];
    if (first == nullptr) {
      first = &process;
      spans = Json::array();
    }
    for (const TraceSpan& span : process.spans) spans.push_back(ToJson(span, unix_ahead));
  }
  Json resources = Json::array();
  for (auto& [key, process] : processes) {
    Json scope{{"scope", {{"name", "baton"}, {"version", origin.version}}},
               {"spans", std::move(process.second)}};
    resources.push_back(Json{{"resource", ResourceOf(*process.first, origin)},
                             {"scopeSpans", Json::array({std::move(scope)})}});
  }
  // Paths come from clients, who may send what is no UTF-8.
  return Json{{"resourceSpans", std::move(resources)}}.dump(-1, ' ', false,
                                                            Json::error_handler_t::replace);
}

}  // namespace baton::otlp
