#include "baton/transport/path.h"

#include <algorithm>
#include <array>

namespace baton::transport {
namespace {

/// By PathKind.
constexpr std::array<std::string_view, 7> kNames = {"other", "in_process", "shm", "tcp",
                                                    "rdma",  "cuda_ipc",   "nccl"};
constexpr std::array kRequirable = {PathKind::kSharedMemory, PathKind::kTcp, PathKind::kRdma,
                                    PathKind::kCudaIpc};

std::string Join(const std::vector<PathKind>& kinds, const char* separator) {
  std::string text;
  for (const PathKind kind : kinds) {
    text += (text.empty() ? "" : separator) + std::string(PathKindName(kind));
  }
  return text;
}

bool Contains(const std::vector<PathKind>& kinds, PathKind kind) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

}  // namespace

std::string_view PathKindName(PathKind kind) { return kNames[static_cast<size_t>(kind)]; }

std::string KindNames(const Path& path) {
  return path.kinds.empty() ? "unknown" : Join(path.kinds, "+");
}

Result<RequiredPaths> ParseRequiredPaths(const std::vector<std::string>& names) {
  RequiredPaths required;
  for (const std::string& name : names) {
    if (name == "any" && names.size() == 1) return RequiredPaths{};
    const auto kind = std::find_if(kRequirable.begin(), kRequirable.end(),
                                   [&](PathKind each) { return PathKindName(each) == name; });
    if (kind == kRequirable.end()) {
      return InvalidArgument("no path is called '" + name +
                             "'; accepted: any alone, or some of shm, tcp, rdma, cuda_ipc");
    }
    if (!Contains(required, *kind)) required.push_back(*kind);
  }
  return required;
}

Status CheckOffered(const RequiredPaths& required, const Path& offered) {
  if (required.empty()) return OkStatus();
  for (const PathKind kind : offered.kinds) {
    if (Contains(required, kind)) return OkStatus();
  }
  return FailedPrecondition("transport.required is " + Join(required, " or ") +
                            ", but this host offers " + offered.text);
}

Status CheckFound(const RequiredPaths& required, const Path& found) {
  if (required.empty()) return OkStatus();
  const bool fits =
      !found.kinds.empty() && std::all_of(found.kinds.begin(), found.kinds.end(),
                                          [&](PathKind kind) { return Contains(required, kind); });
  if (fits) return OkStatus();
  return FailedPrecondition("transport.required is " + Join(required, " or ") +
                            ", but the path found is " + found.text + " (" + KindNames(found) +
                            ")");
}

}  // namespace baton::transport
