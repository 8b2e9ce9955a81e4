#include "ucx_path.h"

#include <algorithm>
#include <sstream>
#include <vector>

namespace baton::transport {
namespace {

using Names = std::vector<std::string>;

/// "tcp/lo": a transport of UCX on a device.
struct Resource {
  std::string transport;
  std::string device;
};

template <typename T>
void AddOnce(std::vector<T>& values, const T& value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

std::string Join(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool OneOf(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// cma carries only rendezvous messages, which we do not send; the others never leave the process.
bool CarriesNothing(const std::string& transport) {
  return OneOf(transport, {"cma", "self", "cuda_copy", "gdr_copy"});
}

PathKind KindOf(const std::string& transport) {
  if (OneOf(transport, {"sysv", "posix", "xpmem"})) return PathKind::kSharedMemory;
  if (transport == "tcp") return PathKind::kTcp;
  if (transport == "cuda_ipc") return PathKind::kCudaIpc;
  const std::string family = transport.substr(0, transport.find('_'));
  if (OneOf(family, {"rc", "dc", "ud", "srd"})) return PathKind::kRdma;
  return PathKind::kOther;
}

Path Describe(const std::vector<Resource>& resources) {
  Path path;
  Names shared, transports, devices;
  for (const Resource& resource : resources) {
    if (CarriesNothing(resource.transport)) continue;
    const PathKind kind = KindOf(resource.transport);
    AddOnce(path.kinds, kind);
    if (kind == PathKind::kSharedMemory) {
      AddOnce(shared, resource.transport);
    } else {
      AddOnce(transports, resource.transport);
      AddOnce(devices, resource.device);
    }
  }
  std::string text = shared.empty() ? "" : "shared memory (" + Join(shared) + ")";
  if (!transports.empty()) {
    text += (text.empty() ? "" : " and ") + Join(transports) + " (" + Join(devices) + ")";
  }
  if (!text.empty()) path.text = text;
  return path;
}

/// Whether a lane's roles, the words after "md[1]/tcp/sysdev[255]", leave out data.
bool OnlyConnects(std::istringstream& words) {
  bool any = false;
  std::string word;
  while (words >> word && word != "->") {
  }
  words >> word;  // Where the lane leads.
  while (words >> word) {
    any = true;
    if (!word.starts_with("wireup") && !OneOf(word, {"cm", "keepalive"})) return false;
  }
  return any;
}

}  // namespace

/// A lane reads "lane[0]:  1:tcp/lo.0 md[1]  -> md[1]/tcp/sysdev[255] am am_bw#0 wireup".
Path ReadLanes(const std::string& endpoint_info) {
  std::vector<Resource> resources;
  std::istringstream lines(endpoint_info);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(std::min(line.size(), line.find("lane["))));
    std::string lane, resource;
    if (!(words >> lane >> resource)) continue;
    const size_t colon = resource.find(':');
    const size_t slash = resource.find('/');
    const size_t dot = resource.rfind('.');
    if (colon == std::string::npos || slash == std::string::npos || dot == std::string::npos ||
        slash < colon || dot < slash || OnlyConnects(words)) {
      continue;
    }
    resources.push_back({resource.substr(colon + 1, slash - colon - 1),
                         resource.substr(slash + 1, dot - slash - 1)});
  }
  return Describe(resources);
}

/// A resource reads "resource 1  :  md 1  dev 1  flags -- tcp/lo".
Path ReadResources(const std::string& context_info) {
  std::vector<Resource> resources;
  std::istringstream lines(context_info);
  for (std::string line; std::getline(lines, line);) {
    const size_t slash = line.rfind('/');
    if (line.find(" resource ") == std::string::npos || slash == std::string::npos) continue;
    const size_t begin = line.rfind(' ', slash) + 1;
    resources.push_back({line.substr(begin, slash - begin), line.substr(slash + 1)});
  }
  Path offered = Describe(resources);
  if (offered.kinds.empty()) offered.text = "nothing that leaves a process";
  return offered;
}

}  // namespace baton::transport
