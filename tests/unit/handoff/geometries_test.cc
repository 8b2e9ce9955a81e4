#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "baton/transport/ucx.h"
#include "pair.h"
#include "push_plan.h"

/// Hand-offs between workers whose ranks or blocks differ, over real transports: every head of
/// every token arrives where the other side looks for it.
namespace baton::handoff {
namespace {

struct Shape {
  int32_t tp_size = 1;
  int32_t block_tokens = 8;
};

struct Case {
  const char* name;
  Shape prefill;
  Shape decode;
  int32_t kv_heads = 4;

  friend std::ostream& operator<<(std::ostream& out, const Case& each) { return out << each.name; }
};

const Case kCases[] = {
    {"OneRankToOne", {1}, {1}},
    {"TwoRanksToTwo", {2}, {2}},
    {"OneRankToTwo", {1}, {2}},
    {"TwoRanksToOne", {2}, {1}},
    {"TwoRanksToFour", {2}, {4}},
    {"FourRanksToTwo", {4}, {2}},
    {"RanksThatShareAHead", {2}, {4}, 2},
    {"RanksThatShareAHeadToOne", {4}, {1}, 2},
    {"SmallBlocksToLarge", {1, 4}, {1, 16}},
    {"LargeBlocksToSmall", {1, 16}, {1, 4}},
    {"BothDiffer", {2, 16}, {4, 8}},
};

using MakeTransport = std::function<std::unique_ptr<transport::Transport>(const std::string& name)>;

struct Network {
  const char* name;
  std::function<MakeTransport()> make;

  friend std::ostream& operator<<(std::ostream& out, const Network& network) {
    return out << network.name;
  }
};

MakeTransport Loopback() {
  auto network = std::make_shared<transport::LoopbackNetwork>();
  return [network](const std::string& name) { return network->MakeEndpoint(name); };
}

MakeTransport Ucx(const std::string& tls) {
  return [tls](const std::string&) { return *transport::MakeUcxTransport({.transports = tls}); };
}

const Network kNetworks[] = {
    {"Loopback", Loopback},
    {"UcxAsFound", [] { return Ucx(""); }},
    {"UcxTcp", [] { return Ucx("tcp"); }},
};

constexpr int32_t kPrompt = 61;
constexpr int32_t kPoolTokens = 256;
constexpr uint64_t kConnection = 5;

/// A worker with a transport and the memory of its ranks.
struct Side {
  Side(const MakeTransport& make, const std::string& name, const Shape& shape, int32_t kv_heads)
      : transport(make(name)) {
    description = Describe(name, name == "p" ? 1000 : 2000);
    description.geometry = {.layers = 3,
                            .kv_heads = kv_heads,
                            .head_dim = 4,
                            .block_tokens = shape.block_tokens,
                            .dtype = DType::kBFloat16,
                            .tp_size = shape.tp_size};
    const auto bytes =
        static_cast<size_t>(description.geometry.block_bytes() * kPoolTokens / shape.block_tokens);
    for (int32_t rank = 0; rank < shape.tp_size; ++rank) {
      regions.push_back(*transport->AllocateRegion(bytes));
      std::memset(regions.back().data, 0, bytes);
    }
    transport->SetListener(&tap);
  }

  /// Blocks for so many tokens, not in one run.
  std::vector<BlockId> Blocks(int32_t tokens) const {
    std::vector<BlockId> blocks = BlockRange(1, BlocksOf(tokens, geometry()));
    if (blocks.size() > 2) std::swap(blocks[1], blocks.back());
    return blocks;
  }

  /// Calls visit(row, layer, plane, head, token), row by row of what `blocks` hold.
  template <typename Visit>
  void ForEachRow(const std::vector<BlockId>& blocks, int32_t tokens, Visit visit) const {
    const kv::KvGeometry& g = geometry();
    for (int32_t rank = 0; rank < g.tp_size; ++rank) {
      for (int32_t token = 0; token < tokens; ++token) {
        std::byte* const block =
            regions[static_cast<size_t>(rank)].data +
            Index(blocks[static_cast<size_t>(token / g.block_tokens)]) * g.block_bytes() +
            token % g.block_tokens * g.row_bytes();
        for (int32_t layer = 0; layer < g.layers; ++layer) {
          for (int32_t plane = 0; plane < 2; ++plane) {
            for (int32_t head = 0; head < g.rank_kv_heads(); ++head) {
              visit(
                  block + layer * g.layer_bytes() + plane * g.plane_bytes() + head * g.head_bytes(),
                  layer, plane, g.first_kv_head(rank) + head, token);
            }
          }
        }
      }
    }
  }

  const kv::KvGeometry& geometry() const { return description.geometry; }
  LocalWorker local() const { return {description, regions}; }

  std::unique_ptr<transport::Transport> transport;
  WorkerDescription description;
  std::vector<transport::MemoryRegion> regions;
  Tap tap;
  Told told;
};

/// The KV of a token depends on nothing but its place in the model and in the prompt.
std::string Row(const kv::KvGeometry& geometry, int32_t layer, int32_t plane, int32_t head,
                int32_t token) {
  const int32_t seed = ((layer * 2 + plane) * 64 + head) * 1024 + token;
  std::string row(static_cast<size_t>(geometry.row_bytes()), '\0');
  for (size_t i = 0; i < row.size(); ++i) {
    row[i] = static_cast<char>((static_cast<uint32_t>(seed) * 2654435761u) >> (i + 8) | 1);
  }
  return row;
}

class Geometries : public testing::TestWithParam<std::tuple<Network, Case>> {
 protected:
  void SetUp() override {
    const auto& [network, shapes] = GetParam();
    const MakeTransport make = network.make();
    p_ = std::make_unique<Side>(make, "p", shapes.prefill, shapes.kv_heads);
    d_ = std::make_unique<Side>(make, "d", shapes.decode, shapes.kv_heads);
    prefill_ = std::make_unique<PrefillSide>(PrefillSideOptions{.least_piece_bytes = 1},
                                             p_->local(), *p_->transport, p_->told, clock_);
    decode_ = std::make_unique<DecodeSide>(DecodeSideOptions{.checksums = true}, d_->local(),
                                           *d_->transport, d_->told, clock_);
    to_p_ = *d_->transport->Connect(*p_->transport->Address());
    to_d_ = *p_->transport->Connect(*d_->transport->Address());
    ASSERT_TRUE(decode_->AddPeer(to_p_, {p_->description, kConnection}).ok());
    ASSERT_TRUE(prefill_->AddPeer(to_d_, {d_->description, kConnection}).ok());
    d_->tap.on_message = [this](auto peer, auto bytes) { decode_->OnMessage(peer, bytes); };
    p_->tap.on_message = [this](auto peer, auto bytes) { prefill_->OnMessage(peer, bytes); };
    p_->tap.on_transfer = [this](auto id, const auto& status) {
      prefill_->OnTransferDone(to_d_, id, status);
    };
  }

  bool Until(const std::function<bool()>& reached) {
    for (int round = 0; round < 20000 && !reached(); ++round) {
      const bool worked = p_->transport->Progress() | d_->transport->Progress();
      if (!worked) d_->transport->Wait(std::chrono::milliseconds(1));
    }
    return reached();
  }

  /// The whole prompt, computed in chunks and by layers.
  void Prefill(const std::vector<BlockId>& blocks) {
    p_->ForEachRow(blocks, kPrompt,
                   [&](std::byte* row, int32_t layer, int32_t plane, int32_t head, int32_t token) {
                     const std::string kv = Row(p_->geometry(), layer, plane, head, token);
                     std::memcpy(row, kv.data(), kv.size());
                   });
    prefill_->Blocks(SequenceId{1}, blocks, 0);
    for (const int32_t tokens : {13, 32, 50}) {
      prefill_->KvReady(SequenceId{1}, 0, 1, tokens);
      prefill_->KvReady(SequenceId{1}, 1, 3, tokens);
    }
    prefill_->KvReady(SequenceId{1}, 0, 3, kPrompt);
    prefill_->Prefilled(SequenceId{1}, {.token = 7, .position = kPrompt});
  }

  ManualClock clock_;
  std::unique_ptr<Side> p_;
  std::unique_ptr<Side> d_;
  std::unique_ptr<PrefillSide> prefill_;
  std::unique_ptr<DecodeSide> decode_;
  transport::PeerId to_p_{};
  transport::PeerId to_d_{};
};

TEST_P(Geometries, EveryRowOfThePromptArrivesInItsPlace) {
  const std::vector<BlockId> blocks = d_->Blocks(kPrompt);
  const int32_t cached = 2 * d_->geometry().block_tokens;
  ASSERT_TRUE(decode_->Offer(to_p_, MakeRequest(kPrompt), {SequenceId{9}, blocks, cached}).ok());
  ASSERT_TRUE(Until([&] { return !p_->told.said.empty(); }));

  Prefill(p_->Blocks(kPrompt));

  ASSERT_TRUE(Until([&] { return !d_->told.said.empty(); }));
  EXPECT_EQ(d_->told.said, std::vector<std::string>{"committed 9"}) << d_->told.last_status;
  EXPECT_EQ(d_->told.first.token, 7);
  d_->ForEachRow(blocks, kPrompt,
                 [&](std::byte* row, int32_t layer, int32_t plane, int32_t head, int32_t token) {
                   std::string expected = Row(d_->geometry(), layer, plane, head, token);
                   if (token < cached) expected.assign(expected.size(), '\0');
                   ASSERT_EQ(std::memcmp(row, expected.data(), expected.size()), 0)
                       << "layer " << layer << " plane " << plane << " head " << head << " token "
                       << token;
                 });
}

TEST_P(Geometries, WritesNothingOutsideTheOfferedBlocks) {
  const std::vector<BlockId> blocks = d_->Blocks(kPrompt);
  ASSERT_TRUE(decode_->Offer(to_p_, MakeRequest(kPrompt), {SequenceId{9}, blocks, 0}).ok());
  ASSERT_TRUE(Until([&] { return !p_->told.said.empty(); }));
  Prefill(p_->Blocks(kPrompt));
  ASSERT_TRUE(Until([&] { return !d_->told.said.empty(); }));

  const auto block_bytes = static_cast<size_t>(d_->geometry().block_bytes());
  for (const transport::MemoryRegion& region : d_->regions) {
    for (size_t i = 0; i < region.bytes / block_bytes; ++i) {
      if (std::count(blocks.begin(), blocks.end(), BlockId{static_cast<int32_t>(i)}) != 0) continue;
      const std::byte* const block = region.data + i * block_bytes;
      EXPECT_TRUE(std::all_of(block, block + block_bytes,
                              [](std::byte byte) { return byte == std::byte{0}; }))
          << "block " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, Geometries,
                         testing::Combine(testing::ValuesIn(kNetworks), testing::ValuesIn(kCases)),
                         [](const auto& geometry) {
                           return std::string(std::get<0>(geometry.param).name) +
                                  std::get<1>(geometry.param).name;
                         });

}  // namespace
}  // namespace baton::handoff
