#include "ucx_address.h"

#include <cstring>
#include <string_view>

#include "baton/transport/transport.h"

namespace baton::transport {
namespace {

constexpr std::string_view kMagic = "baton-ucx-2";
/// Much more than any field needs.
constexpr uint32_t kMaxFieldBytes = 1 << 20;

constexpr uint64_t kSharedMemoryFlag = 1;
constexpr uint64_t kStagedFlag = 2;

void Put(std::string& out, const std::string& field) {
  const uint32_t bytes = static_cast<uint32_t>(field.size());
  out.append(reinterpret_cast<const char*>(&bytes), sizeof(bytes)).append(field);
}

void Put(std::string& out, uint64_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// Takes fields from the front; `ok` turns false at the first that is not there.
struct Reader {
  std::string_view rest;
  bool ok = true;

  std::string_view Take(size_t bytes) {
    ok = ok && bytes <= rest.size();
    if (!ok) return {};
    const std::string_view taken = rest.substr(0, bytes);
    rest.remove_prefix(bytes);
    return taken;
  }
  template <typename T>
  T Number() {
    T value{};
    const std::string_view bytes = Take(sizeof(value));
    if (ok) std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
  }
  std::string Field() {
    const uint32_t bytes = Number<uint32_t>();
    ok = ok && bytes <= kMaxFieldBytes;
    return std::string(Take(bytes));
  }
};

}  // namespace

std::vector<uint64_t> UcxAddress::RegionBytes() const {
  std::vector<uint64_t> bytes;
  for (const Region& region : regions) bytes.push_back(region.bytes);
  return bytes;
}

std::string UcxAddress::Encode() const {
  std::string out(kMagic);
  Put(out, tag);
  Put(out, worker_address);
  Put(out, uint64_t{regions.size()});
  for (const Region& region : regions) {
    Put(out, region.remote_key);
    Put(out, region.base);
    Put(out, region.bytes);
  }
  Put(out, (shared_memory ? kSharedMemoryFlag : 0) | (staged ? kStagedFlag : 0));
  Put(out, process.boot_id);
  Put(out, process.ipc_namespace);
  Put(out, process.pid_namespace);
  Put(out, static_cast<uint64_t>(process.pid));
  Put(out, process.start_time);
  return out;
}

Result<UcxAddress> UcxAddress::Decode(const std::string& bytes) {
  Reader reader{bytes};
  if (reader.Take(kMagic.size()) != kMagic) return InvalidArgument("not a ucx address");
  UcxAddress address;
  address.tag = reader.Number<uint64_t>();
  address.worker_address = reader.Field();
  const uint64_t regions = reader.Number<uint64_t>();
  reader.ok = reader.ok && regions <= Transport::kMaxRegions;
  for (uint64_t i = 0; reader.ok && i < regions; ++i) {
    Region& region = address.regions.emplace_back();
    region.remote_key = reader.Field();
    region.base = reader.Number<uint64_t>();
    region.bytes = reader.Number<uint64_t>();
  }
  const uint64_t flags = reader.Number<uint64_t>();
  address.shared_memory = (flags & kSharedMemoryFlag) != 0;
  address.staged = (flags & kStagedFlag) != 0;
  address.process.boot_id = reader.Field();
  address.process.ipc_namespace = reader.Field();
  address.process.pid_namespace = reader.Field();
  address.process.pid = static_cast<int32_t>(reader.Number<uint64_t>());
  address.process.start_time = reader.Number<uint64_t>();
  if (!reader.ok || !reader.rest.empty() || address.worker_address.empty()) {
    return InvalidArgument("a damaged ucx address of " + std::to_string(bytes.size()) + " bytes");
  }
  return address;
}

}  // namespace baton::transport
