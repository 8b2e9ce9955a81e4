#include "slice_feed.h"

#include <cctype>
#include <iterator>
#include <utility>

namespace baton::discovery {
namespace {

constexpr char kPageSlices[] = "100";
/// More than this is no list of workers.
constexpr size_t kMostSlices = 10'000;
constexpr int kMostPages = 1'000;

std::string Escaped(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_') {
      escaped += c;
    } else {
      escaped += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return escaped;
}

std::string PathOf(const std::string& service_namespace,
                   const std::vector<config::ServiceName>& services) {
  std::string names;
  for (const config::ServiceName& service : services) {
    names += (names.empty() ? "" : ",") + service.name;
  }
  return "/apis/discovery.k8s.io/v1/namespaces/" + Escaped(service_namespace) +
         "/endpointslices?labelSelector=" +
         Escaped("kubernetes.io/service-name in (" + names + ")");
}

}  // namespace

SliceFeed::SliceFeed(const std::string& service_namespace,
                     const std::vector<config::ServiceName>& services)
    : path_(PathOf(service_namespace, services)), table_(services) {}

std::string SliceFeed::Target(std::chrono::seconds watch) const {
  if (lists()) {
    return path_ + "&limit=" + kPageSlices +
           (next_page_.empty() ? "" : "&continue=" + Escaped(next_page_));
  }
  return path_ + "&watch=true&allowWatchBookmarks=true&resourceVersion=" + Escaped(version_) +
         "&timeoutSeconds=" + std::to_string(watch.count());
}

Status SliceFeed::OnPage(std::string_view body) {
  Result<SlicePage> page = ParseSlicePage(body);
  const bool too_many =
      page.ok() && (listed_.size() + page->slices.size() > kMostSlices || ++pages_ > kMostPages);
  if (!page.ok() || too_many) {
    Relist();
    return page.ok() ? InvalidArgument("the API server lists more than " +
                                       std::to_string(kMostSlices) + " EndpointSlices")
                     : page.status();
  }
  std::move(page->slices.begin(), page->slices.end(), std::back_inserter(listed_));
  if (listed_version_.empty()) listed_version_ = page->resource_version;
  next_page_ = page->next;
  if (!next_page_.empty()) return OkStatus();
  table_.Replace(std::exchange(listed_, {}));
  pages_ = 0;
  version_ = std::exchange(listed_version_, {});
  complete_ = true;
  return OkStatus();
}

Status SliceFeed::OnLine(std::string_view line) {
  Result<SliceEvent> event = ParseSliceEvent(line);
  const Status status = event.ok() ? Take(*std::move(event)) : event.status();
  if (!status.ok()) Relist();
  return status;
}

Status SliceFeed::Take(SliceEvent event) {
  switch (event.kind) {
    case SliceEvent::Kind::kPut: table_.Put(std::move(event.slice)); break;
    case SliceEvent::Kind::kRemove: table_.Remove(event.slice.name); break;
    case SliceEvent::Kind::kBookmark: break;
    case SliceEvent::Kind::kGone: return Aborted(event.problem);
    case SliceEvent::Kind::kError:
      return Unavailable("the API server ended a watch: " + event.problem);
  }
  version_ = event.resource_version;
  return OkStatus();
}

void SliceFeed::Relist() {
  version_.clear();
  listed_.clear();
  listed_version_.clear();
  next_page_.clear();
  pages_ = 0;
}

}  // namespace baton::discovery
