#include "nccl_messages.h"

#include <cstring>
#include <string_view>

#include "baton/base/byte_reader.h"
#include "baton/transport/transport.h"

namespace baton::transport {
namespace {

constexpr std::string_view kMagic = "baton-nccl-1";
constexpr size_t kMaxReason = 1024;

/// The first byte of a message: the index of its alternative in NcclMessage.
enum Kind : uint8_t { kPayload, kHello, kInvite, kPut, kPutDone, kFailed };

struct Encoder {
  std::string out;

  void operator()(const NcclPayload& payload) {
    AppendNumber(out, static_cast<uint8_t>(payload.continues));
    out.append(reinterpret_cast<const char*>(payload.bytes.data()), payload.bytes.size());
  }
  void operator()(const NcclHello&) {}
  void operator()(const NcclInvite& invite) {
    AppendNumber(out, invite.generation);
    out.append(invite.id.data(), invite.id.size());
  }
  void operator()(const NcclPut& put) {
    AppendNumber(out, put.generation);
    AppendNumber(out, put.transfer);
    AppendNumber(out, static_cast<uint8_t>(put.last));
    for (const NcclPut::Run& run : put.runs) {
      AppendNumber(out, run.region);
      AppendNumber(out, run.offset);
      AppendNumber(out, run.bytes);
    }
  }
  void operator()(const NcclPutDone& done) {
    AppendNumber(out, done.generation);
    AppendNumber(out, done.transfer);
  }
  void operator()(const NcclFailed& failed) {
    AppendNumber(out, failed.generation);
    AppendNumber(out, static_cast<uint8_t>(failed.by_sender));
    out += failed.reason.substr(0, kMaxReason);
  }
};

std::optional<NcclMessage> ReadInvite(ByteReader reader) {
  NcclInvite invite{.generation = reader.Number<uint32_t>()};
  const std::string_view id = reader.Take(invite.id.size());
  if (!reader.AtEnd()) return std::nullopt;
  std::memcpy(invite.id.data(), id.data(), id.size());
  return invite;
}

std::optional<NcclMessage> ReadPut(ByteReader reader) {
  NcclPut put;
  put.generation = reader.Number<uint32_t>();
  put.transfer = reader.Number<uint64_t>();
  put.last = reader.Number<uint8_t>() != 0;
  if (!reader.ok || reader.rest.empty()) return std::nullopt;
  while (reader.ok && !reader.rest.empty()) {
    NcclPut::Run& run = put.runs.emplace_back();
    run.region = reader.Number<uint32_t>();
    run.offset = reader.Number<uint64_t>();
    run.bytes = reader.Number<uint64_t>();
  }
  if (!reader.AtEnd()) return std::nullopt;
  return put;
}

std::optional<NcclMessage> ReadPutDone(ByteReader reader) {
  NcclPutDone done{.generation = reader.Number<uint32_t>()};
  done.transfer = reader.Number<uint64_t>();
  if (!reader.AtEnd()) return std::nullopt;
  return done;
}

std::optional<NcclMessage> ReadFailed(ByteReader reader) {
  NcclFailed failed{.generation = reader.Number<uint32_t>()};
  failed.by_sender = reader.Number<uint8_t>() != 0;
  if (!reader.ok || reader.rest.size() > kMaxReason) return std::nullopt;
  failed.reason = std::string(reader.rest);
  return failed;
}

}  // namespace

std::string Encode(const NcclMessage& message) {
  Encoder encoder;
  AppendNumber(encoder.out, static_cast<uint8_t>(message.index()));
  std::visit(encoder, message);
  return std::move(encoder.out);
}

std::optional<NcclMessage> DecodeNccl(std::span<const std::byte> bytes) {
  ByteReader reader{{reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
  switch (reader.Number<uint8_t>()) {
    case kPayload: {
      const bool continues = reader.Number<uint8_t>() != 0;
      if (!reader.ok) return std::nullopt;
      return NcclPayload{continues, bytes.last(reader.rest.size())};
    }
    case kHello:
      if (!reader.AtEnd()) return std::nullopt;
      return NcclHello{};
    case kInvite: return ReadInvite(reader);
    case kPut: return ReadPut(reader);
    case kPutDone: return ReadPutDone(reader);
    case kFailed: return ReadFailed(reader);
    default: return std::nullopt;
  }
}

std::string NcclAddress::Encode() const {
  std::string out(kMagic);
  AppendNumber(out, static_cast<uint8_t>((sends ? 1 : 0) | (receives ? 2 : 0)));
  AppendNumber(out, static_cast<int32_t>(version));
  AppendNumber(out, uint64_t{region_bytes.size()});
  for (const uint64_t bytes : region_bytes) AppendNumber(out, bytes);
  return out + messages;
}

Result<NcclAddress> NcclAddress::Decode(const std::string& bytes) {
  ByteReader reader{bytes};
  if (reader.Take(kMagic.size()) != kMagic) return InvalidArgument("not an nccl address");
  const uint8_t flags = reader.Number<uint8_t>();
  NcclAddress address{.sends = (flags & 1) != 0, .receives = (flags & 2) != 0};
  address.version = reader.Number<int32_t>();
  const uint64_t regions = reader.Number<uint64_t>();
  reader.ok = reader.ok && regions <= Transport::kMaxRegions && flags <= 3;
  for (uint64_t i = 0; reader.ok && i < regions; ++i) {
    address.region_bytes.push_back(reader.Number<uint64_t>());
  }
  if (!reader.ok) return InvalidArgument("a damaged nccl address");
  address.messages = std::string(reader.rest);
  return address;
}

}  // namespace baton::transport
