#include "ucx_address.h"

#include <string_view>

#include "baton/base/byte_reader.h"
#include "baton/transport/transport.h"

namespace baton::transport {
namespace {

constexpr std::string_view kMagic = "baton-ucx-2";
/// Much more than any field needs.
constexpr uint32_t kMaxFieldBytes = 1 << 20;

constexpr uint64_t kSharedMemoryFlag = 1;
constexpr uint64_t kStagedFlag = 2;

void AppendField(std::string& out, const std::string& field) {
  AppendNumber(out, static_cast<uint32_t>(field.size()));
  out += field;
}

std::string TakeField(ByteReader& reader) {
  const uint32_t bytes = reader.Number<uint32_t>();
  reader.ok = reader.ok && bytes <= kMaxFieldBytes;
  return std::string(reader.Take(bytes));
}

}  // namespace

std::vector<uint64_t> UcxAddress::RegionBytes() const {
  std::vector<uint64_t> bytes;
  for (const Region& region : regions) bytes.push_back(region.bytes);
  return bytes;
}

std::string UcxAddress::Encode() const {
  std::string out(kMagic);
  AppendNumber(out, tag);
  AppendField(out, worker_address);
  AppendNumber(out, uint64_t{regions.size()});
  for (const Region& region : regions) {
    AppendField(out, region.remote_key);
    AppendNumber(out, region.base);
    AppendNumber(out, region.bytes);
  }
  AppendNumber(out, (shared_memory ? kSharedMemoryFlag : 0) | (staged ? kStagedFlag : 0));
  AppendField(out, process.boot_id);
  AppendField(out, process.ipc_namespace);
  AppendField(out, process.pid_namespace);
  AppendNumber(out, static_cast<uint64_t>(process.pid));
  AppendNumber(out, process.start_time);
  return out;
}

Result<UcxAddress> UcxAddress::Decode(const std::string& bytes) {
  ByteReader reader{bytes};
  if (reader.Take(kMagic.size()) != kMagic) return InvalidArgument("not a ucx address");
  UcxAddress address;
  address.tag = reader.Number<uint64_t>();
  address.worker_address = TakeField(reader);
  const uint64_t regions = reader.Number<uint64_t>();
  reader.ok = reader.ok && regions <= Transport::kMaxRegions;
  for (uint64_t i = 0; reader.ok && i < regions; ++i) {
    Region& region = address.regions.emplace_back();
    region.remote_key = TakeField(reader);
    region.base = reader.Number<uint64_t>();
    region.bytes = reader.Number<uint64_t>();
  }
  const uint64_t flags = reader.Number<uint64_t>();
  address.shared_memory = (flags & kSharedMemoryFlag) != 0;
  address.staged = (flags & kStagedFlag) != 0;
  address.process.boot_id = TakeField(reader);
  address.process.ipc_namespace = TakeField(reader);
  address.process.pid_namespace = TakeField(reader);
  address.process.pid = static_cast<int32_t>(reader.Number<uint64_t>());
  address.process.start_time = reader.Number<uint64_t>();
  if (!reader.AtEnd() || address.worker_address.empty()) {
    return InvalidArgument("a damaged ucx address of " + std::to_string(bytes.size()) + " bytes");
  }
  return address;
}

}  // namespace baton::transport
