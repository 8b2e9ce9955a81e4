// Both sides of hand-offs under an input that says, step by step, what their engines do, what the
// clock and the network do, and which forged messages arrive.
#include "baton/base/check.h"
#include "baton/v1/handoff.pb.h"
#include "frame.h"
#include "fuzz_target.h"
#include "handoff_world.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

using handoff::Envelope;
using handoff::Kind;
using handoff::Side;

enum Step : uint8_t {
  kOffer,
  kCancel,
  kGiveBlocks,
  kComputeKv,
  kFinishPrefill,
  kFailPrefill,
  kDeliver,
  kAdvance,
  kRepeat,
  kForge,
  kForgeCommit,
  kForgeOffer,
  kBytes,
  kRejoin,
  kDrain,
  kSteps
};

void SetHeader(const Envelope& envelope, v1::HandoffHeader& header) {
  header.set_from_epoch_high(envelope.from.high);
  header.set_from_epoch_low(envelope.from.low);
  header.set_to_epoch_high(envelope.to.high);
  header.set_to_epoch_low(envelope.to.low);
  header.set_connection(envelope.connection);
  header.set_handoff(Index(envelope.handoff));
}

/// The body with a header that is true for its receiver, or as it is when it is no such message.
template <typename Proto>
std::string WithHeader(std::string_view body, const Envelope& envelope) {
  Proto proto;
  if (!proto.ParseFromArray(body.data(), static_cast<int>(body.size()))) return std::string(body);
  SetHeader(envelope, *proto.mutable_header());
  return proto.SerializeAsString();
}

std::string WithHeader(Kind kind, std::string_view body, const Envelope& envelope) {
  switch (kind) {
    case Kind::kOffer: return WithHeader<v1::Offer>(body, envelope);
    case Kind::kRefuse: return WithHeader<v1::Refuse>(body, envelope);
    case Kind::kProgress: return WithHeader<v1::Progress>(body, envelope);
    case Kind::kCommit: return WithHeader<v1::Commit>(body, envelope);
    case Kind::kAbortByDecode:
    case Kind::kAbortByPrefill: return WithHeader<v1::Abort>(body, envelope);
    case Kind::kAbortAck: return WithHeader<v1::AbortAck>(body, envelope);
  }
  return std::string(body);
}

void Forge(HandoffWorld& world, InputReader& reader) {
  const uint8_t byte = reader.Byte();
  const Kind kind = static_cast<Kind>(byte % 8);
  const Side side = (byte & 0x80) != 0 ? Side::kDecode : Side::kPrefill;
  Envelope envelope = world.EnvelopeTo(side, reader.Byte());
  if ((byte & 0x40) != 0) envelope.connection -= 1;
  if ((byte & 0x20) != 0) envelope.from.low += 1;
  world.SendTo(side, handoff::MakeFrame(kind, WithHeader(kind, reader.Text(), envelope)));
}

void ForgeCommit(HandoffWorld& world, InputReader& reader) {
  v1::Commit commit;
  SetHeader(world.EnvelopeTo(Side::kDecode, reader.Byte()), *commit.mutable_header());
  commit.set_prompt_tokens(reader.Byte());
  commit.set_blocks(reader.Number<int8_t>());
  commit.mutable_first()->set_position(commit.prompt_tokens() + reader.Number<int8_t>());
  commit.mutable_first()->set_token(reader.Number<int32_t>());
  for (uint8_t count = reader.Byte() % 32; count > 0; --count) commit.add_checksums(0);
  commit.set_queued_us(reader.Number<uint64_t>());
  commit.set_prefill_us(reader.Number<uint64_t>());
  commit.set_bytes(reader.Number<uint64_t>());
  world.SendTo(Side::kDecode, handoff::MakeFrame(Kind::kCommit, commit.SerializeAsString()));
}

void ForgeOffer(HandoffWorld& world, InputReader& reader) {
  v1::Offer offer;
  SetHeader(world.EnvelopeTo(Side::kPrefill, reader.Byte()), *offer.mutable_header());
  const uint8_t tokens = reader.Byte();
  for (int i = 0; i < tokens; ++i) offer.add_prompt(i);
  for (uint8_t runs = reader.Byte() % 8; runs > 0; --runs) {
    v1::Offer::BlockRun* run = offer.add_blocks();
    run->set_first(reader.Number<int32_t>());
    run->set_count(reader.Number<int16_t>());
  }
  offer.set_cached_tokens(reader.Number<int16_t>());
  offer.set_lease_ms(reader.Number<uint32_t>());
  offer.set_checksums((tokens & 1) != 0);
  world.SendTo(Side::kPrefill, handoff::MakeFrame(Kind::kOffer, offer.SerializeAsString()));
}

void Take(uint8_t step, HandoffWorld& world, InputReader& reader) {
  // In variables of their own: arguments are evaluated in no particular order.
  const auto byte = [&] { return reader.Byte(); };
  switch (step % kSteps) {
    case kOffer: {
      const uint8_t tokens = byte(), first = byte();
      return world.Offer(tokens, first, byte());
    }
    case kCancel: return world.Cancel(byte());
    case kGiveBlocks: {
      const uint8_t which = byte();
      return world.GiveBlocks(which, byte());
    }
    case kComputeKv: {
      const uint8_t which = byte(), layers = byte();
      return world.ComputeKv(which, layers, byte());
    }
    case kFinishPrefill: return world.FinishPrefill(byte());
    case kFailPrefill: return world.FailPrefill(byte());
    case kDeliver: return world.Deliver();
    case kAdvance: return world.Advance(std::chrono::milliseconds(100) * byte());
    case kRepeat: return world.Repeat(byte());
    case kForge: return Forge(world, reader);
    case kForgeCommit: return ForgeCommit(world, reader);
    case kForgeOffer: return ForgeOffer(world, reader);
    case kBytes: {
      const Side side = (byte() & 1) != 0 ? Side::kDecode : Side::kPrefill;
      return world.SendTo(side, std::string(reader.Text()));
    }
    case kRejoin: return world.Rejoin();
    case kDrain: return world.Drain();
  }
}

std::vector<std::string> Seeds() {
  const auto steps = [](std::initializer_list<int> bytes) {
    return std::string(bytes.begin(), bytes.end());
  };
  // The first byte: whether blocks have checksums.
  const std::string whole = steps({kOffer, 12, 3, 0, kDeliver, kGiveBlocks, 0, 9, kComputeKv, 0,
                                   0x20, 8, kDeliver, kFinishPrefill, 0, kDeliver});
  v1::Progress progress;
  progress.set_tokens(4);
  InputWriter forged;
  forged.Byte(kForge).Byte(0x80 | static_cast<uint8_t>(Kind::kProgress)).Byte(1);
  forged.Text(progress.SerializeAsString());
  InputWriter commit;
  commit.Byte(kForgeCommit).Byte(1).Byte(13).Byte(4).Byte(0).Number(int32_t{42}).Byte(0);
  commit.Number(uint64_t{1}).Number(uint64_t{2}).Number(uint64_t{3});
  InputWriter offer;
  offer.Byte(kForgeOffer).Byte(200).Byte(5).Byte(1).Number(int32_t{60}).Number(int16_t{2});
  offer.Number(int16_t{0}).Number(uint32_t{5000});
  const auto abort = [](uint8_t to, Kind kind) {
    v1::Abort body;
    body.set_code(1);
    body.set_failure("transfer");
    return InputWriter()
        .Byte(kForge)
        .Byte(static_cast<uint8_t>(to | static_cast<uint8_t>(kind)))
        .Byte(1)
        .Text(body.SerializeAsString())
        .bytes();
  };
  return {
      steps({0}) + whole,
      steps({1}) + whole + steps({kRepeat, 0, kRepeat, 1}),
      steps({0}) + whole.substr(0, 8) + forged.bytes() + steps({kAdvance, 20, kAdvance, 60}),
      steps({0, kOffer, 12, 3, 1, kDeliver, kCancel, 0, kDeliver, kAdvance, 51, kRejoin, kDrain}),
      steps({0, kOffer, 12, 3, 0}) + commit.bytes() + steps({kAdvance, 255}),
      steps({0}) + offer.bytes() + steps({kGiveBlocks, 0, 1, kFinishPrefill, 0, kDeliver}),
      steps({0, kOffer, 12, 3, 0, kDeliver, kGiveBlocks, 0, 1}) + abort(0, Kind::kAbortByDecode) +
          abort(0x80, Kind::kAbortByPrefill) + abort(0x80, Kind::kAbortAck) +
          steps({kFailPrefill, 0, kDeliver}),
  };
}

void Run(std::string_view input) {
  InputReader reader(input);
  HandoffWorld world((reader.Byte() & 1) != 0);
  while (!reader.empty()) Take(reader.Byte(), world, reader);
  world.End();
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 1024, .seeds = &Seeds, .words = {}, .run = &Run};

}  // namespace baton::fuzz
