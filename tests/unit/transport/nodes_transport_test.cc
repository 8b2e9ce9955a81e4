#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/nodes/link_thread.h"
#include "baton/transport/nodes.h"
#include "baton/transport/ucx.h"
#include "nodes/node_frames.h"
#include "support/link_pair.h"
#include "support/transport_endpoint.h"

namespace baton::transport {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr size_t kBytes = size_t{1} << 20;
constexpr Duration kSilence = std::chrono::seconds(30);

std::unique_ptr<Transport> MakeUcx(const std::string& transports) {
  UcxOptions options;
  options.transports = transports;
  return *MakeUcxTransport(options);
}

/// A node that is no leader, with threads as in a process of its own.
class FollowerNode {
 public:
  FollowerNode(std::shared_ptr<nodes::Link> link, const std::string& transports)
      : link_(std::move(link)), own_(MakeUcx(transports)), region_(*own_->AllocateRegion(kBytes)) {
    address_ = *own_->Address();
    follower_ = FollowerTransport::Make(*own_, *link_);
    thread_ = std::jthread([this](const std::stop_token& stop) { follower_->Run(stop); });
    heard_ = std::make_unique<nodes::LinkThread>(
        link_, kSilence, Clock::System(),
        nodes::LinkThread::Listener{
            .on_frame = [this](nodes::Frame frame) { follower_->OnFrame(std::move(frame)); },
            .on_lost = [](const Status&) {}});
  }
  const std::string& address() const { return address_; }
  std::byte* data() const { return region_.data; }

 private:
  const std::shared_ptr<nodes::Link> link_;
  const std::unique_ptr<Transport> own_;
  const MemoryRegion region_;
  std::string address_;
  std::unique_ptr<FollowerTransport> follower_;
  std::jthread thread_;
  std::unique_ptr<nodes::LinkThread> heard_;
};

/// A worker of one or several nodes, with a region each.
class Worker {
 public:
  Worker(size_t nodes, const std::string& transports) {
    std::vector<NodeEnd> ends;
    for (size_t node = 1; node < nodes; ++node) {
      auto [here, there] = nodes::MakeLinkPair("node 0", "node " + std::to_string(node));
      followers_.push_back(std::make_unique<FollowerNode>(there, transports));
      links_.push_back(here);
      ends.push_back({.link = here, .address = followers_.back()->address(), .regions = 1});
    }
    auto made = NodesTransport::Make(MakeUcx(transports), ends);
    transport_ = made.get();
    endpoint = std::make_unique<Endpoint>(std::move(made), kBytes);
    for (size_t i = 0; i < links_.size(); ++i) {
      heard_.push_back(std::make_unique<nodes::LinkThread>(
          links_[i], kSilence, Clock::System(),
          nodes::LinkThread::Listener{
              .on_frame = [this,
                           i](nodes::Frame frame) { transport_->OnFrame(i, std::move(frame)); },
              .on_lost = [](const Status&) {}}));
    }
  }
  ~Worker() { heard_.clear(); }

  std::byte* data(size_t node) const {
    return node == 0 ? endpoint->region.data : followers_[node - 1]->data();
  }
  std::string Read(size_t node, size_t offset, size_t bytes) const {
    return {reinterpret_cast<const char*>(data(node)) + offset, bytes};
  }
  void Write(size_t node, size_t offset, const std::string& bytes) const {
    std::memcpy(data(node) + offset, bytes.data(), bytes.size());
  }
  Transport& transport() const { return *endpoint->transport; }

  std::unique_ptr<Endpoint> endpoint;

 private:
  std::vector<std::unique_ptr<FollowerNode>> followers_;
  std::vector<std::shared_ptr<nodes::Link>> links_;
  NodesTransport* transport_ = nullptr;
  std::vector<std::unique_ptr<nodes::LinkThread>> heard_;
};

class NodesTransportTest : public testing::TestWithParam<std::string> {
 protected:
  void Join(size_t nodes_of_a, size_t nodes_of_b) {
    a_ = std::make_unique<Worker>(nodes_of_a, GetParam());
    b_ = std::make_unique<Worker>(nodes_of_b, GetParam());
    to_b_ = *a_->transport().Connect(*b_->transport().Address(), 7);
    to_a_ = *b_->transport().Connect(*a_->transport().Address(), 7);
  }

  bool Until(const std::function<bool()>& reached) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      if (reached()) return true;
      const bool worked = a_->transport().Progress() | b_->transport().Progress();
      if (!worked) a_->transport().Wait(std::chrono::milliseconds(1));
    }
    return false;
  }
  bool PutAndWait(const std::vector<Descriptor>& runs) {
    a_->endpoint->done.clear();
    EXPECT_TRUE(a_->transport().Put(to_b_, runs).ok());
    return Until([&] { return !a_->endpoint->done.empty(); }) &&
           a_->endpoint->done.front().status.ok();
  }

  std::unique_ptr<Worker> a_;
  std::unique_ptr<Worker> b_;
  PeerId to_b_{};
  PeerId to_a_{};
};

TEST_P(NodesTransportTest, PutsFromEveryNodeToEveryNode) {
  for (const auto& [of_a, of_b] : {std::pair{2, 2}, {1, 3}, {3, 1}, {2, 1}}) {
    Join(static_cast<size_t>(of_a), static_cast<size_t>(of_b));
    std::vector<Descriptor> runs;
    for (uint32_t from = 0; from < static_cast<uint32_t>(of_a); ++from) {
      a_->Write(from, 64, std::string(1000, static_cast<char>('a' + from)));
      for (uint32_t to = 0; to < static_cast<uint32_t>(of_b); ++to) {
        runs.push_back({.local_offset = 64,
                        .remote_offset = 5000 * from,
                        .bytes = 1000,
                        .local_region = from,
                        .remote_region = to});
      }
    }
    ASSERT_TRUE(PutAndWait(runs));
    EXPECT_EQ(a_->endpoint->done.size(), 1u);
    for (const Descriptor& run : runs) {
      EXPECT_EQ(b_->Read(run.remote_region, run.remote_offset, 1000),
                std::string(1000, static_cast<char>('a' + run.local_region)));
    }
  }
}

TEST_P(NodesTransportTest, CarriesMessagesBetweenLeaders) {
  Join(2, 2);
  ASSERT_TRUE(a_->endpoint->Send(to_b_, "offer").ok());
  ASSERT_TRUE(Until([&] { return !b_->endpoint->messages.empty(); }));
  EXPECT_EQ(b_->endpoint->messages.front().bytes, "offer");
  EXPECT_EQ(b_->endpoint->messages.front().peer, to_a_);
}

TEST_P(NodesTransportTest, RefusesRegionsThatNoNodeHas) {
  Join(2, 2);
  const Descriptor nowhere{.bytes = 1, .local_region = 2};
  EXPECT_EQ(a_->transport().Put(to_b_, {&nowhere, 1}).status().code(), StatusCode::kOutOfRange);
  const Descriptor not_there{.bytes = 1, .remote_region = 2};
  EXPECT_EQ(a_->transport().Put(to_b_, {&not_there, 1}).status().code(), StatusCode::kOutOfRange);
}

TEST_P(NodesTransportTest, FailsAPutOutsideAFollowersRegion) {
  Join(2, 1);
  const Descriptor beyond{.local_offset = kBytes, .bytes = 1, .local_region = 1};
  ASSERT_TRUE(a_->transport().Put(to_b_, {&beyond, 1}).ok());
  ASSERT_TRUE(Until([&] { return !a_->endpoint->done.empty(); }));
  EXPECT_EQ(a_->endpoint->done.front().status.code(), StatusCode::kOutOfRange);
}

TEST_P(NodesTransportTest, EndsEveryPutOnceWhenDisconnected) {
  Join(2, 2);
  for (uint32_t from : {0u, 1u}) {
    for (int i = 0; i < 20; ++i) {
      const Descriptor run{.bytes = kBytes / 2, .local_region = from, .remote_region = 1 - from};
      ASSERT_TRUE(a_->transport().Put(to_b_, {&run, 1}).ok());
    }
  }
  a_->transport().Disconnect(to_b_);
  ASSERT_TRUE(Until([&] { return a_->endpoint->done.size() >= 40; }));
  EXPECT_EQ(a_->endpoint->done.size(), 40u);
  EXPECT_EQ(a_->transport().Put(to_b_, {}).status().code(), StatusCode::kUnavailable);
}

TEST_P(NodesTransportTest, ConnectsAgainAfterADisconnect) {
  Join(2, 2);
  a_->transport().Disconnect(to_b_);
  b_->transport().Disconnect(to_a_);
  const auto connect = [](Worker& from, Worker& to) {
    return from.transport().Connect(*to.transport().Address(), 8);
  };
  Result<PeerId> again = Unavailable("not yet");
  ASSERT_TRUE(Until([&] { return (again = connect(*a_, *b_)).ok(); })) << again.status();
  to_b_ = *again;
  ASSERT_TRUE(Until([&] { return (again = connect(*b_, *a_)).ok(); })) << again.status();
  a_->Write(1, 0, "again");
  ASSERT_TRUE(PutAndWait({{.bytes = 5, .local_region = 1, .remote_region = 1}}));
  EXPECT_EQ(b_->Read(1, 0, 5), "again");
}

TEST_P(NodesTransportTest, TellsThePathsOfAllNodes) {
  Join(2, 1);
  const Path path = a_->transport().FindPath(to_b_);
  EXPECT_THAT(path.kinds,
              testing::Contains(GetParam() == "tcp" ? PathKind::kTcp : PathKind::kSharedMemory));
  EXPECT_EQ(a_->transport().FindPath(PeerId{99}).text, "not connected");
}

INSTANTIATE_TEST_SUITE_P(Paths, NodesTransportTest, testing::Values("", "tcp"),
                         [](const auto& path) { return path.param.empty() ? "AsFound" : "Tcp"; });

TEST(NodesTransport, GivesUpANodeThatDoesNotAnswer) {
  auto [here, there] = nodes::MakeLinkPair();
  const auto transport = NodesTransport::Make(
      MakeUcx(""), {{.link = here, .address = *MakeUcx("")->Address(), .regions = 1}});
  const auto peer = MakeUcx("");
  const Status failed = transport->Connect(*peer->Address()).status();
  EXPECT_THAT(failed.message(), HasSubstr("node 1: it does not answer"));
  while (there->Receive().ok()) {
  }
  EXPECT_FALSE(here->Send(1).ok());
}

TEST(NodeAddresses, AreThoseOfTheirTransportsWhereThereIsOneNode) {
  const NodeAddress one{"baton-ucx-2 and more", 2};
  EXPECT_EQ(EncodeAddress({&one, 1}), one.address);
  const auto nodes = *DecodeAddress(one.address);
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_FALSE(nodes[0].regions.has_value());
}

TEST(NodeAddresses, KeepOrderAndRegions) {
  const std::vector<NodeAddress> nodes{{"first", 2}, {"second", 2}, {"", 1}};
  const auto read = *DecodeAddress(EncodeAddress(nodes));
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[1].address, "second");
  EXPECT_EQ(read[2].regions, 1u);
}

TEST(NodeAddresses, AreRefusedWhenCutOrEmpty) {
  const std::vector<NodeAddress> nodes{{"first", 2}, {"second", 2}};
  const std::string whole = EncodeAddress(nodes);
  EXPECT_EQ(DecodeAddress(whole.substr(0, whole.size() - 1)).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_FALSE(DecodeAddress("baton-nodes-1").ok());
}

TEST(BothPaths, HaveTheKindsOfEach) {
  const Path both = Both({.kinds = {PathKind::kTcp}, .text = "tcp"},
                         {.kinds = {PathKind::kRdma}, .text = "rdma", .staged = true});
  EXPECT_THAT(both.kinds, ElementsAre(PathKind::kTcp, PathKind::kRdma));
  EXPECT_TRUE(both.staged);
  EXPECT_THAT(both.text, HasSubstr("rdma"));
  EXPECT_THAT(Both({.kinds = {PathKind::kTcp}, .text = "tcp"}, {}).kinds, IsEmpty());
}

}  // namespace
}  // namespace baton::transport
