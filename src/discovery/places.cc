#include "places.h"

#include <algorithm>

#include "baton/config/config.h"

namespace baton::discovery {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string_view Unquote(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                      text.front() == text.back();
  return quoted ? text.substr(1, text.size() - 2) : text;
}

Result<Place> ParsePlace(std::string_view line) {
  const std::string text(line);
  const bool named = text.find('=') != std::string::npos;
  const auto worker = config::ParseWorkerAddress(named ? text : "x=" + text);
  if (!worker.ok() || text.find_first_of(kBlank) != std::string::npos) {
    return InvalidArgument("'" + text + "' is no worker; write name=host:port or host:port");
  }
  return Place{.name = named ? worker->name : "",
               .address = worker->host + ":" + std::to_string(worker->port)};
}

Status CheckApart(const std::vector<Place>& places, const Place& added) {
  for (const Place& place : places) {
    if (place.address == added.address) {
      return InvalidArgument(added.address + " is named twice");
    }
    if (!added.name.empty() && place.name == added.name) {
      return InvalidArgument("worker " + added.name + " is named twice");
    }
  }
  return OkStatus();
}

}  // namespace

Result<std::vector<Place>> ParsePlaces(std::string_view text, const std::string& file) {
  std::vector<Place> places;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = Trim(line.substr(0, line.find('#')));
    if (line == "-" || line.starts_with("- ")) line = Trim(line.substr(1));
    line = Unquote(line);
    if (line.empty()) continue;
    Result<Place> place = ParsePlace(line);
    const Status status = place.ok() ? CheckApart(places, *place) : place.status();
    if (!status.ok()) return status.WithContext(file + ":" + std::to_string(number));
    places.push_back(*std::move(place));
  }
  return places;
}

}  // namespace baton::discovery
