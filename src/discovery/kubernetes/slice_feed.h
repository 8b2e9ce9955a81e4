#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "baton/base/clock.h"
#include "baton/config/config.h"
#include "slice_table.h"

namespace baton::discovery {

/// What the API server is asked next, and what its answers mean: a list, page by page, and then
/// watches from the version of its first page on, behind which nothing can be missed, each from
/// where the one before ended. *Threads*: lives on one thread.
class SliceFeed {
 public:
  SliceFeed(const std::string& service_namespace, const std::vector<config::ServiceName>& services);

  /// The next answer is a page of a list, else a watch.
  bool lists() const { return version_.empty(); }
  /// Path and query. `watch` is for how long to watch.
  std::string Target(std::chrono::seconds watch) const;

  /// Takes a page. Fails with InvalidArgument where it is none; all is listed anew then.
  Status OnPage(std::string_view body);
  /// Takes a line of a watch. Fails where nothing that follows is of use: with Aborted when the
  /// version is too old, as happens, else with what is wrong. All is listed anew then.
  Status OnLine(std::string_view line);
  /// The version is too old, or the list is.
  void Relist();

  /// All has been listed once.
  bool complete() const { return complete_; }
  EndpointView View() const { return table_.View(); }

 private:
  Status Take(SliceEvent event);

  const std::string path_;
  SliceTable table_;
  bool complete_ = false;
  /// From where to watch; empty: not known.
  std::string version_;
  /// Of a list that is under way.
  std::vector<EndpointSlice> listed_;
  std::string listed_version_;
  std::string next_page_;
  int pages_ = 0;
};

}  // namespace baton::discovery
