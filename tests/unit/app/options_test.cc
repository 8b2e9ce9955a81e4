#include "baton/app/options.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::app {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

worker::WorkerOptions WorkerOf(const config::Config& config, const WorkerFlags& flags) {
  Result<worker::WorkerOptions> options = ToWorkerOptions(config, flags, 6);
  EXPECT_TRUE(options.ok()) << options.status();
  return options.ok() ? *options : worker::WorkerOptions{};
}

TEST(WorkerOptions, TakeTheGroupOfTheRole) {
  config::Config config;
  config.workers.decode = {.count = 1, .threads = 3, .kv_memory_bytes = kMiB, .port = 7001};
  const worker::WorkerOptions options = WorkerOf(config, {.role = Role::kDecode});
  EXPECT_EQ(options.name, "d0");
  EXPECT_EQ(options.listen, "127.0.0.1:7001");
  EXPECT_EQ(options.threads, 3);
  EXPECT_EQ(options.kv_bytes, kMiB);
}

TEST(WorkerOptions, NameTheGpuAndItsPartOfMemory) {
  config::Config config;
  config.workers.mixed = {.count = 1, .device = "cuda:2", .kv_percent = 70, .sm_percent = 30};
  config.engine.load = "random";
  const worker::WorkerOptions options = WorkerOf(config, {});
  EXPECT_EQ(options.cuda, 2);
  EXPECT_EQ(options.kv_percent, 70);
  EXPECT_EQ(options.sm_percent, 30);
  EXPECT_TRUE(options.random_weights);
  EXPECT_EQ(WorkerOf(config, {.device = "cpu"}).cuda, std::nullopt);
}

TEST(WorkerOptions, PreferFlagsToTheConfiguration) {
  config::Config config;
  config.workers.mixed = {.threads = 3, .cores = "0", .port = 7001};
  config.workers.insecure = true;
  const worker::WorkerOptions options =
      WorkerOf(config, {.name = "x", .listen = "0.0.0.0:1", .threads = 2, .cores = "4-5"});
  EXPECT_EQ(options.name, "x");
  EXPECT_EQ(options.listen, "0.0.0.0:1");
  EXPECT_EQ(options.threads, 2);
  EXPECT_THAT(options.cores, ElementsAre(4, 5));
}

TEST(WorkerOptions, RefuseToListenWhereAnybodyComesUnlessToldTo) {
  const auto refused = ToWorkerOptions({}, {.listen = "0.0.0.0:1"}, 1);
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("workers.insecure"));
  EXPECT_TRUE(ToWorkerOptions({}, {.listen = "[::1]:1"}, 1).ok());
}

TEST(WorkerOptions, HaveAThreadForEachRank) {
  config::Config config;
  config.workers.mixed.tensor_parallel = 4;
  const worker::WorkerOptions options = WorkerOf(config, {.threads = 2});
  EXPECT_EQ(options.tensor_parallel, 4);
  EXPECT_EQ(options.threads, 4);
}

TEST(WorkerOptions, KnowWhichNodeTheyAreOf) {
  config::Config config;
  config.workers.mixed.tensor_parallel = 8;
  config.workers.mixed.nodes = 2;
  const worker::WorkerOptions leader = WorkerOf(config, {.nodes_listen = "127.0.0.1:0"});
  EXPECT_EQ(leader.ranks_per_node(), 4);
  EXPECT_EQ(leader.graph_sequences, 0);
  const worker::WorkerOptions other = WorkerOf(config, {.node_rank = 1, .leader = "h:1"});
  EXPECT_EQ(other.node_rank, 1);
  EXPECT_EQ(other.leader, "h:1");
}

TEST(WorkerOptions, RefuseNodesThatCannotMeet) {
  config::Config config;
  const auto error = [&](const WorkerFlags& flags) {
    return ToWorkerOptions(config, flags, 1).status().message();
  };
  EXPECT_THAT(error({.node_rank = 1}),
              HasSubstr("--node-rank is 1, but workers.mixed.nodes is 1, numbered from 0"));
  config.workers.mixed.tensor_parallel = 2;
  config.workers.mixed.nodes = 2;
  EXPECT_THAT(error({}), HasSubstr("--nodes-listen host:port"));
  EXPECT_THAT(error({.node_rank = 1}), HasSubstr("--leader host:port"));
  EXPECT_THAT(error({.nodes_listen = "0.0.0.0:1"}), HasSubstr("workers.insecure"));
}

TEST(WorkerOptions, TakeAllCoresWhereNothingIsSaid) { EXPECT_EQ(WorkerOf({}, {}).threads, 6); }

TEST(WorkerOptions, TakeAThreadForEachPinnedCore) {
  EXPECT_EQ(WorkerOf({}, {.cores = "0,2,4"}).threads, 3);
}

TEST(WorkerOptions, CarryEngineAndHandoff) {
  config::Config config;
  config.engine.step_tokens = 99;
  config.engine.kv_dtype = DType::kFloat32;
  config.engine.weights = "w8a8";
  config.engine.instructions = "avx2";
  config.handoff.lease = 1500us;
  config.handoff.checksum = "crc32c";
  config.handoff.local_prefill_tokens = 7;
  config.transport.kind = "nccl";
  config.transport.tls = "tcp";
  config.transport.required = {"rdma", "shm"};
  const worker::WorkerOptions options = WorkerOf(config, {});
  EXPECT_EQ(options.engine.step_tokens, 99);
  EXPECT_EQ(options.kv_dtype, DType::kFloat32);
  EXPECT_EQ(options.packing, ops::Packing::kW8A8);
  EXPECT_EQ(options.instructions, "avx2");
  EXPECT_EQ(options.lease, 2ms);
  EXPECT_TRUE(options.checksum);
  EXPECT_EQ(options.local_prefill_max_tokens, 7);
  EXPECT_EQ(options.transport_kind, "nccl");
  EXPECT_EQ(options.transport_tls, "tcp");
  EXPECT_THAT(options.required_paths,
              ElementsAre(transport::PathKind::kRdma, transport::PathKind::kSharedMemory));
}

TEST(WorkerOptions, RoundWhatTheConfigurationSays) {
  config::Config config;
  for (const auto& [weights, packing] :
       {std::pair("auto", ops::Packing::kExact), std::pair("int8", ops::Packing::kInt8),
        std::pair("w8a8", ops::Packing::kW8A8), std::pair("w16a16", ops::Packing::kW16A16)}) {
    config.engine.weights = weights;
    EXPECT_EQ(WorkerOf(config, {}).packing, packing) << weights;
  }
}

TEST(RouterOptions, PutWorkersOfTheCommandLineOverThoseConfigured) {
  config::Config config;
  config.router.workers = {"p0=a:1", "d0=b:2"};
  const Result<router::RouterOptions> options = ToRouterOptions(config, {"p0=c:3"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(options->workers,
              ElementsAre(rpc::PeerAddress{"d0", "b:2"}, rpc::PeerAddress{"p0", "c:3"}));
}

TEST(RouterOptions, AskForWorkers) {
  const Result<router::RouterOptions> options = ToRouterOptions({}, {});
  ASSERT_FALSE(options.ok());
  EXPECT_THAT(options.status().message(), HasSubstr("--worker name=host:port"));
}

TEST(ServerOptions, CarryTheLimits) {
  config::Config config;
  config.model = "/models/tiny";
  config.limits.body_bytes = 5000;
  config.limits.concurrent_requests = 3;
  config.timeouts.idle = 9s;
  config.router.trusted_peers = {"10.0.0.0/8"};
  const api::ApiOptions api_options = ToApiOptions(config);
  EXPECT_EQ(api_options.model, "tiny");
  EXPECT_EQ(api_options.limits.running_requests, 3);
  const http::HttpOptions options = ToHttpOptions(config);
  EXPECT_EQ(options.limits.body_bytes, 5000u);
  EXPECT_EQ(options.limits.idle_timeout, 9s);
  ASSERT_EQ(options.trusted_peers.size(), 1u);
  EXPECT_TRUE(options.trusted_peers[0].Contains("10.1.2.3"));
}

TEST(SamplingDefaults, AreGreedyWhereTheModelIsNotToSample) {
  EXPECT_EQ(ToSamplingDefaults({.do_sample = false, .temperature = 0.5f}).temperature, 0);
  EXPECT_EQ(ToSamplingDefaults({.do_sample = true, .temperature = 0.5f}).temperature, 0.5f);
  EXPECT_EQ(ToSamplingDefaults({}).temperature, SamplingParams().temperature);
}

TEST(SamplingDefaults, AreTheModelsWhereItHasSome) {
  const SamplingParams params = ToSamplingDefaults({.temperature = 0.5f, .top_k = 7});
  EXPECT_EQ(params.temperature, 0.5f);
  EXPECT_EQ(params.top_k, 7);
  EXPECT_EQ(params.top_p, SamplingParams{}.top_p);
}

}  // namespace
}  // namespace baton::app
