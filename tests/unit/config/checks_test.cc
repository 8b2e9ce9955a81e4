#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config_file.h"

namespace baton::config {
namespace {

using testing::HasSubstr;

TEST(Checks, AskForAModel) {
  EXPECT_EQ(ErrorsOf("router: {port: 1}\n"), "model is not set; name the folder of a model");
}

TEST(Checks, RefuseDecodeWithoutPrefill) {
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {decode: {count: 3}}\n"),
            "FILE:2:27: workers.decode.count is 3, but workers.prefill.count is 0; decode workers "
            "need a prefill worker");
}

TEST(Checks, RefusePrefillWithoutDecode) {
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {prefill: {count: 2}}\n"),
            "FILE:2:28: workers.prefill.count is 2, but workers.decode.count is 0; prefill workers "
            "need a decode worker");
}

TEST(Checks, RefuseAnyPathBesideOthers) {
  EXPECT_EQ(ErrorsOf("model: m\ntransport: {required: [any, shm]}\n"),
            "FILE:2:23: transport.required names any beside others; any stands alone");
  EXPECT_EQ(ErrorsOf("model: m\ntransport: {required: []}\n"),
            "FILE:2:23: transport.required is an empty list; any accepts every path");
}

TEST(Checks, RefuseARequiredPathThatNcclCannotShow) {
  EXPECT_EQ(ErrorsOf("model: m\ntransport: {kind: nccl, required: shm}\n"),
            "FILE:2:35: transport.required cannot be had of nccl, which does not tell what carries "
            "its data");
  EXPECT_EQ(ErrorsOf("model: m\ntransport: {kind: nccl}\n"), "");
}

TEST(Checks, RefuseADeviceThatIsNone) {
  const std::string errors = ErrorsOf("model: m\nworkers: {mixed: {count: 1, device: gpu}}\n");
  EXPECT_NE(errors.find("workers.mixed.device is 'gpu'; accepted: cpu, cuda or cuda:N"),
            std::string::npos)
      << errors;
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {mixed: {count: 1, device: \"cuda:3\"}}\n"), "");
}

TEST(Checks, RefuseWhatAGpuOrTheHostCannotDoWithItsMemory) {
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {mixed: {count: 1, kv_percent: 80}}\n"),
            "FILE:2:41: workers.mixed.kv_percent is for GPUs; with device: cpu set kv_memory");
  EXPECT_EQ(
      ErrorsOf("model: m\nworkers: {mixed: {count: 1, sm_percent: 50}}\n"),
      "FILE:2:41: workers.mixed.sm_percent is for GPUs; with device: cpu set threads or cores");
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {mixed: {count: 1, device: cuda}}\n"
                     "engine: {kv_dtype: float16}\n"),
            "FILE:3:20: engine.kv_dtype is float16, but workers.mixed.device is cuda, which "
            "computes in bfloat16; set bfloat16");
  EXPECT_EQ(
      ErrorsOf("model: m\nworkers: {mixed: {count: 1, device: cuda}}\n"
               "engine: {weights: int8}\n"),
      "FILE:3:19: engine.weights is int8, but workers.mixed.device is cuda, where weights are "
      "bfloat16; set auto");
  EXPECT_EQ(ErrorsOf("model: m\nengine: {weights: int8}\n"), "");
  EXPECT_EQ(
      ErrorsOf("model: m\nworkers: {prefill: {count: 1}, decode: {count: 1, device: cuda}}\n"
               "handoff: {checksum: crc32c}\n"),
      "FILE:3:21: handoff.checksum is crc32c, but workers.decode.device is cuda, whose KV the "
      "host cannot read; set off");
}

TEST(Checks, LetOnlyTwoHalvesOfOneDeviceBeOneProcess) {
  const auto errors = [](const std::string& prefill, const std::string& decode) {
    return ErrorsOf("model: m\nworkers: {one_process: true, prefill: {count: 1" + prefill +
                    "}, decode: {count: 1" + decode + "}}\n");
  };
  const std::string is = "FILE:2:24: workers.one_process is true, but ";
  EXPECT_EQ(errors("", ""), "");
  EXPECT_EQ(errors(", device: cuda, sm_percent: 60", ", device: \"cuda:0\", sm_percent: 40"), "");
  EXPECT_EQ(
      errors("", ", device: cuda, sm_percent: 40"),
      is + "workers.prefill.device is cpu and workers.decode.device cuda; set the same device");
  EXPECT_EQ(
      errors(", device: cuda, sm_percent: 60", ", device: cuda, sm_percent: 41"),
      is + "workers.prefill.sm_percent is 60 and workers.decode.sm_percent 41; set both, to at "
           "most 100 together, e.g. 60 and 40");
  EXPECT_EQ(errors("", ", tensor_parallel: 2"),
            is + "a worker has several ranks; set workers.*.tensor_parallel to 1");
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {one_process: true, mixed: {count: 1}}\n"),
            is + "workers.prefill.count is 0 and workers.decode.count 0; set both to 1");
}

TEST(Checks, RefuseNodesThatCannotBeOneWorker) {
  const auto errors = [](const std::string& ranks, const std::string& more) {
    return ErrorsOf("model: m\nworkers: {prefill: {count: 1}, decode: {count: 1, nodes: 2, " +
                    ranks + "}}\n" + more);
  };
  EXPECT_EQ(errors("tensor_parallel: 2", ""), "");
  EXPECT_EQ(errors("device: cuda, tensor_parallel: 4", ""), "");
  EXPECT_THAT(errors("tensor_parallel: 3", ""),
              HasSubstr("workers.decode.nodes is 2, but workers.decode.tensor_parallel is 3, "
                        "which it does not divide"));
  EXPECT_THAT(errors("tensor_parallel: 2", "handoff: {checksum: crc32c}\n"),
              HasSubstr("workers.decode.nodes is 2, but handoff.checksum is crc32c"));
  EXPECT_THAT(errors("tensor_parallel: 2", "transport: {kind: nccl}\n"),
              HasSubstr("workers.decode.nodes is 2, but transport.kind is nccl"));
}

TEST(Checks, RefuseRanksOnGpusThatCannotSumOrHandOn) {
  const std::string four =
      "model: m\nworkers: {prefill: {count: 1}, "
      "decode: {count: 1, device: cuda, tensor_parallel: 4}}\n";
  EXPECT_EQ(ErrorsOf(four), "");
  EXPECT_EQ(ErrorsOf(four + "transport: {kind: nccl}\n"),
            "FILE:2:82: workers.decode.tensor_parallel is 4 on GPUs, but transport.kind is nccl, "
            "which hands on the KV of one GPU; set ucx");
  const std::string three =
      "model: m\nworkers: {mixed: {count: 1, device: cuda, tensor_parallel: 3}}\n";
  EXPECT_EQ(ErrorsOf(three),
            "FILE:2:60: workers.mixed.tensor_parallel is 3 on GPUs, whose sums are in one order "
            "for powers of two only; set one of 2, 4, 8, or engine.deterministic: false");
  EXPECT_EQ(ErrorsOf(three + "engine: {deterministic: false}\n"), "");
}

TEST(Checks, RefuseNoWorkersAtAll) {
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {mixed: {count: 0}}\n"),
            "workers has no worker; set the count of prefill and decode, or of mixed");
}

TEST(Checks, RefuseAGroupOnTheRoutersPort) {
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {mixed: {count: 3, port: 7998}}\n"),
            "FILE:2:35: workers.mixed.port takes port 8000, which router.port also takes");
}

TEST(Checks, RefuseOverlappingGroups) {
  EXPECT_EQ(ErrorsOf("model: m\nworkers:\n  prefill: {count: 2, port: 7000}\n"
                     "  decode: {count: 1, port: 7001}\n"),
            "FILE:4:28: workers.decode.port takes port 7001, which workers.prefill.port also "
            "takes");
}

TEST(Checks, TakeEqualPortsOnDifferentHosts) {
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {host: 10.0.0.1, insecure: true}\n"
                     "workers: {mixed: {count: 1, port: 8000}}\n"),
            "");
}

TEST(Checks, RefuseEqualPortsWhereOneHostIsAny) {
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {host: 0.0.0.0, insecure: true}\n"
                     "workers: {mixed: {count: 1, port: 8000}}\n"),
            "FILE:3:35: workers.mixed.port takes port 8000, which router.port also takes");
}

TEST(Checks, RefusePortsBeyondTheLast) {
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {mixed: {count: 2, port: 65535}}\n"),
            "FILE:2:35: workers.mixed.port leads to port 65536; the last port is 65535");
}

TEST(Checks, RefuseFewerCoresThanWorkers) {
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {mixed: {count: 3, cores: 0-1}}\n"),
            "FILE:2:36: workers.mixed.cores names 2 cores for 3 workers; each needs at least one");
}

TEST(Checks, RefuseARouterThatAnybodyReachesAndNobodyNeedsAKeyOf) {
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {host: 0.0.0.0}\n"),
            "FILE:2:16: router.host is 0.0.0.0, where others reach it, but nobody is asked for a "
            "key; name a file of keys in router.api_keys (`baton key` makes one), or set "
            "router.insecure: true (or --insecure)");
  EXPECT_NE(ErrorsOf("model: m\nrouter: {host: some.name}\n"), "");
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {host: 0.0.0.0, api_keys: keys}\n"), "");
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {host: '::', insecure: true}\n"), "");
  for (const char* host : {"127.0.0.1", "127.9.9.9", "localhost", "'::1'", "'[::1]'"}) {
    EXPECT_EQ(ErrorsOf(std::string("model: m\nrouter: {host: ") + host + "}\n"), "") << host;
  }
}

TEST(Checks, RefuseAnOpenAdminPortThatAnybodyReaches) {
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {api_keys: k, admin_port: 9, admin_host: 0.0.0.0}\n"),
            "FILE:2:50: router.admin_host is 0.0.0.0, where others reach it, but nobody is asked "
            "for a key there; set router.insecure: true (or --insecure)");
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {admin_port: 8000}\n"),
            "FILE:2:22: router.admin_port takes port 8000, which router.port also takes");
}

TEST(Checks, RefuseWorkersThatAnybodyReaches) {
  EXPECT_NE(ErrorsOf("model: m\nworkers: {host: 0.0.0.0}\n")
                .find("FILE:2:17: workers.host: a "
                      "worker on 0.0.0.0 is reached"),
            std::string::npos);
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {host: 0.0.0.0, insecure: true}\n"), "");
}

TEST(Checks, LetWorkersWithCertificatesBeReached) {
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {host: 0.0.0.0, tls_certificate: c, tls_key: k, "
                     "tls_authority: a}\n"),
            "");
}

TEST(Checks, RefuseCertificatesWithoutWhatBelongsToThem) {
  EXPECT_EQ(
      ErrorsOf("model: m\nrouter: {tls_certificate: c}\n"),
      "FILE:2:27: router.tls_certificate is set alone; a certificate and its key go together");
  EXPECT_EQ(ErrorsOf("model: m\nworkers: {tls_certificate: c, tls_key: k}\n"),
            "FILE:2:28: workers.tls_certificate is not set with its two others; "
            "workers.tls_certificate, tls_key and tls_authority go together");
  EXPECT_NE(ErrorsOf("model: m\nworkers: {tls_authority: a}\n"), "");
}

TEST(Checks, RefuseABackOffThatShrinks) {
  EXPECT_EQ(ErrorsOf("model: m\nrestart: {longest_delay: 10ms}\n"),
            "FILE:2:26: restart.longest_delay is less than restart.delay");
}

TEST(Checks, RefuseTwoWorkersOfOneName) {
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {workers: [p0=a:1, p0=b:2]}\n"),
            "FILE:2:19: router.workers names 'p0' twice");
}

TEST(Checks, RefuseWaysToFindWorkersThatDoNotFitTogether) {
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {discovery: {kind: dns}}\n"),
            "FILE:2:28: router.discovery.kind is dns, which needs router.discovery.names");
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {discovery: {kind: kubernetes}}\n"),
            "FILE:2:28: router.discovery.kind is kubernetes, which needs "
            "router.discovery.services");
  EXPECT_EQ(ErrorsOf("model: m\nrouter: {discovery: {names: [a:1]}}\n"),
            "FILE:2:29: router.discovery.names is for router.discovery.kind: dns, but that is "
            "static");
}

TEST(Checks, RefuseNamesThatDnsCannotBeAskedFor) {
  EXPECT_EQ(
      ErrorsOf("model: m\nrouter: {discovery: {kind: dns, names: [decode.svc]}}\n"),
      "FILE:2:40: router.discovery.names has the item 'decode.svc'; accepted: list of host:port or "
      "_service._tcp.domain");
}

TEST(Checks, RefuseWhatIsNoServiceOfKubernetesOrNoApiServer) {
  const std::string kind = "model: m\nrouter: {discovery: {kind: kubernetes, services: [";
  EXPECT_EQ(ErrorsOf(kind + "a:grpc, b:7000, c]}}\n"), "");
  EXPECT_EQ(ErrorsOf(kind + "a, a:1]}}\n"), "FILE:2:50: router.discovery.services names 'a' twice");
  for (const char* wrong : {"a_b", "a:", "a:0", "a:70000", "a:a-port-name-too-long", "-a"}) {
    EXPECT_EQ(ErrorsOf(kind + "\"" + wrong + "\"]}}\n"),
              "FILE:2:50: router.discovery.services has the item '" + std::string(wrong) +
                  "'; accepted: list of service or service:port");
  }
  EXPECT_EQ(ErrorsOf(kind + "a], api_server: \"http://10.0.0.1\"}}\n"),
            "FILE:2:67: router.discovery.api_server: 'http://10.0.0.1' is no server; write "
            "https://host:port, e.g. https://10.96.0.1:443");
}

TEST(HttpsServer, HasAPortAndAHostWithoutBrackets) {
  const auto at = [](const std::string& text) {
    const auto server = ParseHttpsServer(text);
    return server.ok() ? server->host + " " + std::to_string(server->port) : "refused";
  };
  EXPECT_EQ(at("https://10.96.0.1"), "10.96.0.1 443");
  EXPECT_EQ(at("https://[fd00::1]:6443/"), "fd00::1 6443");
  EXPECT_EQ(at("https://api.example"), "api.example 443");
  for (const char* wrong : {"10.96.0.1", "https://", "https://a:0", "https://a:x", "https://a/b"}) {
    EXPECT_EQ(at(wrong), "refused") << wrong;
  }
}

}  // namespace
}  // namespace baton::config
