#include "baton/device/host_threads.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <string>
#include <system_error>

#include "baton/base/check.h"

namespace baton::device {
namespace {

/// As the kernel lists them, "0-3,8"; what is not understood is left out.
Cores ReadCores(const std::filesystem::path& path) {
  std::ifstream file(path);
  Cores cores;
  int first = 0;
  while (file >> first) {
    int last = first;
    if (file.peek() == '-' && file.ignore() && !(file >> last)) break;
    for (int core = first; core <= last && core < CPU_SETSIZE; ++core) cores.push_back(core);
    if (file.get() != ',') break;
  }
  return cores;
}

/// The node's number; -1 of an entry that is no node.
int NumberOf(const std::filesystem::path& entry) {
  const std::string name = entry.filename().string();
  const bool node = name.starts_with("node") && name.size() > 4 && name.size() < 9 &&
                    std::all_of(name.begin() + 4, name.end(),
                                [](unsigned char c) { return std::isdigit(c) != 0; });
  return node ? std::stoi(name.substr(4)) : -1;
}

}  // namespace

std::vector<Cores> CoresByNode(const Cores& cores, const std::filesystem::path& nodes) {
  std::map<int, Cores> near;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(nodes, error)) {
    const int number = NumberOf(entry.path());
    if (number >= 0) near[number] = ReadCores(entry.path() / "cpulist");
  }
  std::vector<Cores> groups;
  Cores rest = cores;
  for (const auto& [number, all] : near) {
    Cores own;
    std::erase_if(rest, [&](int core) {
      if (std::ranges::find(all, core) == all.end()) return false;
      own.push_back(core);
      return true;
    });
    if (!own.empty()) groups.push_back(std::move(own));
  }
  if (!rest.empty()) groups.push_back(std::move(rest));
  return groups;
}

Cores HostThreads::CoresOf(int thread) const {
  BATON_CHECK(thread >= 0 && thread < count);
  if (cores_by_node.size() < 2) return {};
  size_t total = 0;
  for (const Cores& cores : cores_by_node) total += cores.size();
  size_t place = total * static_cast<size_t>(thread) / static_cast<size_t>(count);
  for (const Cores& cores : cores_by_node) {
    if (place < cores.size()) return cores;
    place -= cores.size();
  }
  return {};
}

StayOnCores::StayOnCores(const Cores& cores) {
  if (cores.empty() || sched_getaffinity(0, sizeof before_, &before_) != 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<size_t>(core), &set);
  stays_ = sched_setaffinity(0, sizeof set, &set) == 0;
}

StayOnCores::~StayOnCores() {
  if (stays_) (void)sched_setaffinity(0, sizeof before_, &before_);
}

}  // namespace baton::device
