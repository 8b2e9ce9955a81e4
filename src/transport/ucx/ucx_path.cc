#include "ucx_path.h"

#include <algorithm>
#include <sstream>
#include <vector>

namespace baton::transport {
namespace {

using Names = std::vector<std::string>;

void AddOnce(Names& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

std::string Join(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

/// A lane reads "lane[0]:  1:tcp/lo.0 md[1]  -> md[1]/tcp/sysdev[255] am am_bw#0 wireup".
std::string DescribeLanes(const std::string& endpoint_info) {
  Names shared;
  Names transports;
  Names devices;
  std::istringstream lines(endpoint_info);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(std::min(line.size(), line.find("lane["))));
    std::string lane, resource;
    if (!(words >> lane >> resource)) continue;
    const size_t colon = resource.find(':');
    const size_t slash = resource.find('/');
    const size_t dot = resource.rfind('.');
    if (colon == std::string::npos || slash == std::string::npos || dot == std::string::npos ||
        slash < colon || dot < slash) {
      continue;
    }
    const std::string transport = resource.substr(colon + 1, slash - colon - 1);
    if (transport == "sysv" || transport == "posix" || transport == "xpmem") {
      AddOnce(shared, transport);
    } else if (transport != "cma") {  // Carries only rendezvous messages, which we do not send.
      AddOnce(transports, transport);
      AddOnce(devices, resource.substr(slash + 1, dot - slash - 1));
    }
  }
  std::string text = shared.empty() ? "" : "shared memory (" + Join(shared) + ")";
  if (!transports.empty()) {
    text += (text.empty() ? "" : " and ") + Join(transports) + " (" + Join(devices) + ")";
  }
  return text.empty() ? "unknown" : text;
}

}  // namespace baton::transport
