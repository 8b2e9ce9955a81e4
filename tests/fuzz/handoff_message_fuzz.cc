#include "baton/base/check.h"
#include "frame.h"
#include "fuzz_target.h"
#include "input_reader.h"
#include "wire.h"

namespace baton::fuzz {
namespace {

using handoff::Decoded;
using handoff::Kind;
using handoff::Message;

constexpr uint8_t kWholeFrame = 0;

/// One message of each kind, with every field set. What is put in a frame here needs no valid
/// length and checksum to be reached by mutations.
std::vector<Message> Messages() {
  handoff::Offer offer;
  offer.request.id = "request-1";
  offer.request.prompt = {5, 6, 7, 8, 9};
  offer.request.emitted_tokens = 1;
  offer.request.sampling.stop_token_ids = {2, 3};
  offer.request.sampling.logit_bias = {{4, -1.5f}, {9, 2}};
  offer.request.grammar = "root ::= \"a\"";
  offer.request.cache_salt = 7;
  offer.blocks = {BlockId{3}, BlockId{4}, BlockId{9}};
  offer.cached_tokens = 2;
  offer.lease = std::chrono::seconds(2);
  offer.checksums = true;
  handoff::Commit commit;
  commit.blocks = 2;
  commit.prompt_tokens = 5;
  commit.first = {.token = 42,
                  .position = 5,
                  .finish = FinishReason::kStop,
                  .logprob = -0.5f,
                  .top_logprobs = {{42, -0.5f}, {7, -1.5f}},
                  .cached_tokens = 2};
  commit.checksums = {1, 2};
  commit.stages.prefill = std::chrono::milliseconds(3);
  commit.transfer = {.bytes = 4096, .descriptors = 2, .blocks = 2};
  const handoff::Envelope envelope{{1, 2}, {3, 4}, 5, HandoffId{6}};
  return {{envelope, offer},
          {envelope, handoff::Refuse{ResourceExhausted("full")}},
          {envelope, handoff::Progress{4}},
          {envelope, commit},
          {envelope, handoff::Abort{.status = Cancelled("no more")}},
          {envelope, handoff::Abort{.by_prefill = true,
                                    .status = DataLoss("lost"),
                                    .failure = handoff::Failure::kTransfer}},
          {envelope, handoff::AbortAck{}}};
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const Message& message : Messages()) {
    const std::string frame = handoff::Encode(message);
    seeds.push_back(std::string(1, kWholeFrame) + frame);
    seeds.push_back(frame[3] + frame.substr(handoff::kFrameBytes));
  }
  return seeds;
}

Decoded DecodeBytes(const std::string& bytes) {
  return handoff::Decode(std::as_bytes(std::span(bytes)));
}

void CheckMessage(const Message& message, size_t bytes) {
  if (const auto* offer = std::get_if<handoff::Offer>(&message.body)) {
    BATON_CHECK(offer->request.prompt.size() <= bytes);
    BATON_CHECK(offer->blocks.size() <= offer->request.prompt.size());
    for (const BlockId block : offer->blocks) BATON_CHECK(Index(block) >= 0);
  }
  if (const auto* commit = std::get_if<handoff::Commit>(&message.body)) {
    BATON_CHECK(commit->first.token >= 0 && commit->first.finish <= FinishReason::kLength);
    BATON_CHECK(commit->stages.queued >= Duration::zero() &&
                commit->stages.prefill >= Duration::zero() &&
                commit->stages.transfer >= Duration::zero());
  }
}

void Run(std::string_view input) {
  InputReader reader(input);
  const uint8_t kind = reader.Byte();
  const std::string rest(reader.Rest());
  const std::string bytes =
      kind == kWholeFrame ? rest : handoff::MakeFrame(static_cast<Kind>(kind), rest);
  const handoff::Side side = handoff::SideOf(std::as_bytes(std::span(bytes)));
  const Decoded decoded = DecodeBytes(bytes);
  const Message* message = std::get_if<Message>(&decoded);
  if (message == nullptr) return;
  BATON_CHECK(side != handoff::Side::kNone);
  CheckMessage(*message, bytes.size());
  // What was understood can be said again and is understood the same.
  const std::string again = handoff::Encode(*message);
  const Decoded twice = DecodeBytes(again);
  BATON_CHECK(std::holds_alternative<Message>(twice));
  BATON_CHECK(handoff::Encode(std::get<Message>(twice)) == again);
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 2048,
                         .seeds = &Seeds,
                         .words = {"BH\x02", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
                                   "\xFF\xFF\xFF\xFF\x07", "\x80\x80\x80\x80\x08"},
                         .run = &Run};

}  // namespace baton::fuzz
