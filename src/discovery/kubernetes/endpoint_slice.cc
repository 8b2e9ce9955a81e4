#include "endpoint_slice.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "baton/base/json_nesting.h"

namespace baton::discovery {
namespace {

using Json = nlohmann::json;

constexpr int kGoneCode = 410;
constexpr size_t kMostShownBytes = 200;
constexpr int kMostPort = 65535;

/// A member of an object; null where there is none, or no object.
const Json& Member(const Json& object, const char* name) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::string Text(const Json& object, const char* name) {
  const Json& value = Member(object, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool Flag(const Json& object, const char* name, bool otherwise) {
  const Json& value = Member(object, name);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

Json Parse(std::string_view text) {
  if (JsonNesting(text) > kMaxJsonNesting) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

Status NotOne(const std::string& what, std::string_view text) {
  return InvalidArgument("the API server sent no " + what + " but " + ErrorMessage(text));
}

/// What cannot be true of one says nothing about the others.
void AddEndpoint(const Json& json, EndpointSlice& slice) {
  const Json& addresses = Member(json, "addresses");
  if (!addresses.is_array() || addresses.empty() || !addresses.front().is_string()) return;
  const Json& conditions = Member(json, "conditions");
  // All addresses of an endpoint lead to the same.
  slice.endpoints.push_back({.address = addresses.front().get<std::string>(),
                             .uid = Text(Member(json, "targetRef"), "uid"),
                             .ready = Flag(conditions, "ready", true),
                             .terminating = Flag(conditions, "terminating", false)});
}

void AddPort(const Json& json, EndpointSlice& slice) {
  const Json& port = Member(json, "port");
  const std::string protocol = Text(json, "protocol");
  if (!protocol.empty() && protocol != "TCP") return;
  if (!port.is_number_integer() || port < 1 || port > kMostPort) return;
  slice.ports.push_back({.name = Text(json, "name"), .port = port.get<int32_t>()});
}

/// False where `json` is none.
bool ReadSlice(const Json& json, EndpointSlice& slice) {
  const Json& metadata = Member(json, "metadata");
  slice.name = Text(metadata, "name");
  slice.service = Text(Member(metadata, "labels"), "kubernetes.io/service-name");
  if (slice.name.empty()) return false;
  const std::string type = Text(json, "addressType");
  if (type != "IPv4" && type != "IPv6") return true;  // Names, which nobody makes any more.
  for (const Json& endpoint : Member(json, "endpoints")) AddEndpoint(endpoint, slice);
  for (const Json& port : Member(json, "ports")) AddPort(port, slice);
  return true;
}

}  // namespace

Result<SlicePage> ParseSlicePage(std::string_view text) {
  const Json json = Parse(text);
  const Json& items = Member(json, "items");
  const Json& metadata = Member(json, "metadata");
  SlicePage page{.slices = {},
                 .resource_version = Text(metadata, "resourceVersion"),
                 .next = Text(metadata, "continue")};
  // Lists without items have null there.
  const bool list = json.is_object() && (items.is_array() || items.is_null());
  if (!list || page.resource_version.empty()) return NotOne("list of EndpointSlices", text);
  for (const Json& item : items) {
    if (!ReadSlice(item, page.slices.emplace_back())) return NotOne("list of EndpointSlices", text);
  }
  return page;
}

Result<SliceEvent> ParseSliceEvent(std::string_view line) {
  const Json json = Parse(line);
  const Json& object = Member(json, "object");
  const std::string type = Text(json, "type");
  SliceEvent event;
  if (type == "ERROR") {
    const Json& code = Member(object, "code");
    const bool gone = code.is_number_integer() && code == kGoneCode;
    event.kind = gone ? SliceEvent::Kind::kGone : SliceEvent::Kind::kError;
    event.problem = Text(object, "message");
    return event;
  }
  event.resource_version = Text(Member(object, "metadata"), "resourceVersion");
  if (event.resource_version.empty()) return NotOne("event of a watch", line);
  if (type == "BOOKMARK") return event;
  const bool put = type == "ADDED" || type == "MODIFIED";
  if ((!put && type != "DELETED") || !ReadSlice(object, event.slice)) {
    return NotOne("event of a watch", line);
  }
  event.kind = put ? SliceEvent::Kind::kPut : SliceEvent::Kind::kRemove;
  return event;
}

std::string ErrorMessage(std::string_view body) {
  std::string message = Text(Parse(body), "message");
  if (message.empty()) message = "'" + std::string(body.substr(0, kMostShownBytes)) + "'";
  // It goes into one line of the log.
  std::replace_if(
      message.begin(), message.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
  return message;
}

}  // namespace baton::discovery
