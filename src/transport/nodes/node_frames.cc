#include "node_frames.h"

#include <algorithm>

#include "baton/base/byte_reader.h"

namespace baton::transport {
namespace {

constexpr std::string_view kMagic = "baton-nodes-1";

void AppendStatus(std::string& out, const Status& status) {
  AppendNumber(out, static_cast<uint32_t>(status.code()));
  AppendText(out, status.message());
}
Status TakeStatus(ByteReader& reader) {
  const auto code = static_cast<StatusCode>(reader.Number<uint32_t>());
  std::string message = reader.Text();
  return code == StatusCode::kOk ? OkStatus() : Status(code, std::move(message));
}

void AppendPath(std::string& out, const Path& path) {
  AppendNumber(out, static_cast<uint8_t>(path.staged));
  AppendNumber(out, static_cast<uint8_t>(path.kinds.size()));
  for (const PathKind kind : path.kinds) AppendNumber(out, static_cast<uint8_t>(kind));
  AppendText(out, path.text);
}
Path TakePath(ByteReader& reader) {
  Path path;
  path.staged = reader.Number<uint8_t>() != 0;
  const auto kinds = reader.Number<uint8_t>();
  for (int i = 0; reader.ok && i < kinds; ++i) {
    path.kinds.push_back(static_cast<PathKind>(reader.Number<uint8_t>()));
  }
  path.text = reader.Text();
  return path;
}

template <typename T>
Result<T> Whole(const ByteReader& reader, T frame) {
  if (!reader.AtEnd()) return DataLoss("a frame between nodes that is none");
  return frame;
}

}  // namespace

std::string Encode(const ConnectFrame& frame) {
  std::string out;
  AppendNumber(out, frame.peer);
  AppendNumber(out, frame.connection);
  AppendText(out, frame.address);
  return out;
}

Result<ConnectFrame> DecodeConnect(std::string_view bytes) {
  ByteReader reader{bytes};
  ConnectFrame frame{.peer = reader.Number<uint32_t>(), .connection = reader.Number<uint64_t>()};
  frame.address = reader.Text();
  return Whole(reader, std::move(frame));
}

std::string Encode(const ReplyFrame& frame) {
  std::string out;
  AppendNumber(out, frame.peer);
  AppendStatus(out, frame.status);
  AppendNumber(out, static_cast<uint8_t>(frame.state.can_still_write));
  AppendNumber(out, static_cast<uint8_t>(frame.state.is_there));
  AppendPath(out, frame.path);
  return out;
}

Result<ReplyFrame> DecodeReply(std::string_view bytes) {
  ByteReader reader{bytes};
  ReplyFrame frame{.peer = reader.Number<uint32_t>(), .status = TakeStatus(reader)};
  frame.state.can_still_write = reader.Number<uint8_t>() != 0;
  frame.state.is_there = reader.Number<uint8_t>() != 0;
  frame.path = TakePath(reader);
  return Whole(reader, std::move(frame));
}

std::string Encode(const PutFrame& frame) {
  std::string out;
  AppendNumber(out, frame.peer);
  AppendNumber(out, frame.peer_node);
  AppendNumber(out, frame.transfer);
  for (const Descriptor& run : frame.descriptors) {
    AppendNumber(out, run.local_offset);
    AppendNumber(out, run.remote_offset);
    AppendNumber(out, run.bytes);
    AppendNumber(out, run.local_region);
    AppendNumber(out, run.remote_region);
  }
  return out;
}

Result<PutFrame> DecodePut(std::string_view bytes) {
  ByteReader reader{bytes};
  PutFrame frame{.peer = reader.Number<uint32_t>(),
                 .peer_node = reader.Number<uint32_t>(),
                 .transfer = reader.Number<uint64_t>()};
  while (reader.ok && !reader.rest.empty()) {
    frame.descriptors.push_back({.local_offset = reader.Number<uint64_t>(),
                                 .remote_offset = reader.Number<uint64_t>(),
                                 .bytes = reader.Number<uint64_t>(),
                                 .local_region = reader.Number<uint32_t>(),
                                 .remote_region = reader.Number<uint32_t>()});
  }
  return Whole(reader, std::move(frame));
}

std::string Encode(const PutDoneFrame& frame) {
  std::string out;
  AppendNumber(out, frame.transfer);
  AppendStatus(out, frame.status);
  return out;
}

Result<PutDoneFrame> DecodePutDone(std::string_view bytes) {
  ByteReader reader{bytes};
  PutDoneFrame frame{.transfer = reader.Number<uint64_t>(), .status = TakeStatus(reader)};
  return Whole(reader, std::move(frame));
}

std::string EncodeAddress(std::span<const NodeAddress> nodes) {
  if (nodes.size() == 1) return nodes.front().address;
  std::string out(kMagic);
  AppendNumber(out, static_cast<uint32_t>(nodes.size()));
  for (const NodeAddress& node : nodes) {
    AppendNumber(out, node.regions.value_or(0));
    AppendText(out, node.address);
  }
  return out;
}

Result<std::vector<NodeAddress>> DecodeAddress(const std::string& address) {
  if (!address.starts_with(kMagic)) return std::vector<NodeAddress>{{address, std::nullopt}};
  ByteReader reader{std::string_view(address).substr(kMagic.size())};
  const auto count = reader.Number<uint32_t>();
  std::vector<NodeAddress> nodes;
  for (uint32_t i = 0; reader.ok && i < count; ++i) {
    const auto regions = reader.Number<uint32_t>();
    nodes.push_back({reader.Text(), regions});
  }
  if (!reader.AtEnd() || nodes.empty()) return InvalidArgument("no address of a worker's nodes");
  return nodes;
}

Path Both(const Path& one, const Path& other) {
  Path both = one;
  both.staged = one.staged || other.staged;
  for (const PathKind kind : other.kinds) {
    if (std::ranges::find(both.kinds, kind) == both.kinds.end()) both.kinds.push_back(kind);
  }
  // What cannot be told of one cannot be told of both.
  if (one.kinds.empty() || other.kinds.empty()) both.kinds.clear();
  if (one.text != other.text) both.text += ", between other nodes " + other.text;
  return both;
}

}  // namespace baton::transport
