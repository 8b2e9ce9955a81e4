#include <gtest/gtest.h>

#include "config_file.h"

namespace baton::config {
namespace {

struct BadFile {
  const char* name;
  const char* text;
  const char* errors;
};

class BadFiles : public testing::TestWithParam<BadFile> {};

TEST_P(BadFiles, AreRefusedWithLineColumnAndWhatIsAccepted) {
  EXPECT_EQ(ErrorsOf(GetParam().text), GetParam().errors);
}

constexpr BadFile kBadFiles[] = {
    {"UnknownKeyWithSuggestion", "model: m\nworkers:\n  prefil: {count: 1}\n",
     "FILE:3:3: unknown key 'prefil' (did you mean 'prefill'?); accepted here: host, "
     "tls_certificate, tls_key, tls_authority, insecure, one_process, prefill, "
     "decode, mixed"},
    {"UnknownKeyWithoutSuggestion", "model: m\nhandoff: {speed: 9}\n",
     "FILE:2:11: unknown key 'speed'; accepted here: lease, silence, checksum, in_flight, "
     "local_prefill_tokens"},
    {"UnknownTopKey", "modle: m\n",
     "FILE:1:1: unknown key 'modle' (did you mean 'model'?); accepted here: model, "
     "served_model_name, log_level, workers, router, engine, handoff, transport, limits, timeouts, "
     "restart, telemetry"},
    {"DuplicateKey", "model: m\nrouter:\n  port: 1\n  port: 2\n", "FILE:4:3: duplicate key 'port'"},
    {"DuplicateSection", "model: m\nrouter: {port: 1}\nrouter: {host: h}\n",
     "FILE:3:1: duplicate key 'router'"},
    {"TextForInteger", "model: m\nrouter: {port: http}\n",
     "FILE:2:16: router.port is 'http'; accepted: integer from 0 to 65535"},
    {"FractionForInteger", "model: m\nrouter: {port: 80.5}\n",
     "FILE:2:16: router.port is '80.5'; accepted: integer from 0 to 65535"},
    {"AboveTheRange", "model: m\nrouter: {port: 70000}\n",
     "FILE:2:16: router.port is '70000'; accepted: integer from 0 to 65535"},
    {"BelowTheRange", "model: m\nrouter:\n  threads: 0\n",
     "FILE:3:12: router.threads is '0'; accepted: integer from 1 to 256"},
    {"BeyondSixtyFourBits", "model: m\nrouter: {port: 99999999999999999999}\n",
     "FILE:2:16: router.port is '99999999999999999999'; accepted: integer from 0 to 65535"},
    {"NotAChoice", "model: m\nengine: {kv_dtype: int4}\n",
     "FILE:2:20: engine.kv_dtype is 'int4'; accepted: bfloat16, float16, float32, int8"},
    {"ABoolWhereANameIsWanted", "model: m\nhandoff: {checksum: true}\n",
     "FILE:2:21: handoff.checksum is 'true'; accepted: off, crc32c"},
    {"NotABool", "model: m\nengine: {prefix_cache: yes}\n",
     "FILE:2:24: engine.prefix_cache is 'yes'; accepted: true, false"},
    {"SizeWithoutAKnownUnit", "model: m\nworkers: {mixed: {count: 1, kv_memory: 64M}}\n",
     "FILE:2:40: workers.mixed.kv_memory is '64M'; accepted: size like 64MiB of at least 4KiB"},
    {"DurationWithoutUnit", "model: m\ntimeouts: {drain: 30}\n",
     "FILE:2:19: timeouts.drain is '30'; accepted: duration like 250ms from 1ms to 24h"},
    {"DurationTooLong", "model: m\ntimeouts: {drain: 25h}\n",
     "FILE:2:19: timeouts.drain is '25h'; accepted: duration like 250ms from 1ms to 24h"},
    {"ListForScalar", "model: [a, b]\n", "FILE:1:8: model is a list; accepted: text"},
    {"SectionForScalar", "model: m\nrouter: {port: {a: 1}}\n",
     "FILE:2:16: router.port is a section; accepted: integer from 0 to 65535"},
    {"ScalarForSection", "model: m\nworkers: 3\n",
     "FILE:2:10: workers is '3'; accepted: a section with the keys host, tls_certificate, tls_key, "
     "tls_authority, insecure, one_process, prefill, "
     "decode, mixed"},
    {"ScalarForList", "model: m\nrouter: {workers: p0}\n",
     "FILE:2:19: router.workers is 'p0'; accepted: list of name=host:port"},
    {"BadItemOfAList", "model: m\nrouter:\n  workers: [p0=h:1, p1]\n",
     "FILE:3:12: router.workers has the item 'p1'; accepted: list of name=host:port"},
    {"BadNetwork", "model: m\nrouter: {trusted_peers: [10.0.0.1/8]}\n",
     "FILE:2:25: router.trusted_peers has the item '10.0.0.1/8'; accepted: list of networks like "
     "10.0.0.0/8"},
    {"SectionInAList", "model: m\nrouter:\n  workers: [{p0: 1}]\n",
     "FILE:3:13: router.workers has an item that is a section; accepted: list of name=host:port"},
    {"NotAChoiceForAList", "model: m\ntransport: {required: pigeon}\n",
     "FILE:2:23: transport.required has the item 'pigeon'; accepted: one or a list of any, shm, "
     "tcp, rdma, cuda_ipc"},
    {"NoValue", "model: m\nrouter:\n  port:\n",
     "FILE:3:3: router.port is empty; accepted: integer from 0 to 65535"},
    {"BadCores", "model: m\nworkers: {mixed: {count: 1, cores: 3-1}}\n",
     "FILE:2:36: workers.mixed.cores is '3-1'; accepted: core numbers like 0-3,8"},
    {"KeyThatIsAList", "model: m\n? [a]\n: 1\n", "FILE:2:3: a key must be text, not a list"},
    {"FileThatIsAList", "- model\n",
     "FILE:1:1: the file is a list; accepted: a section with the keys model, served_model_name, "
     "log_level, workers, router, engine, handoff, transport, limits, timeouts, restart, "
     "telemetry"},
    {"TwoDocuments", "model: m\n---\nmodel: n\n",
     "FILE:3:1: a second document; a configuration is one"},
    // In which yaml-cpp sees empty documents without end.
    {"EmptyDocumentsWithoutEnd", ",: & r", "model is not set; name the folder of a model"},
    {"BrokenYaml", "model: m\nrouter: {port: 1\n",
     "FILE:3:1: not valid YAML: end of map flow not found"},
    {"Tab", "model: m\nrouter:\n\tport: 1\n", "FILE:3:6: not valid YAML: illegal map value"},
    {"AllErrorsAtOnce", "model: m\nrouter: {prot: 1, threads: none}\nlog_level: loud\n",
     "FILE:2:10: unknown key 'prot' (did you mean 'port'?); accepted here: host, port, threads, "
     "policy, prefill_policy, slo_ttft, slo_tpot, overload, ratio, ratio_dwell, worker_queue, "
     "tool_parser, "
     "reasoning_parser, grpc_port, tls_certificate, tls_key, "
     "api_keys, "
     "insecure, trusted_peers, admin_host, admin_port, "
     "resume_attempts, resume_wait, workers, discovery\n"
     "FILE:2:28: router.threads is 'none'; accepted: integer from 1 to 256\n"
     "FILE:3:12: log_level is 'loud'; accepted: debug, info, warning, error"},
};

INSTANTIATE_TEST_SUITE_P(Table, BadFiles, testing::ValuesIn(kBadFiles),
                         [](const auto& file) { return std::string(file.param.name); });

TEST(YamlFile, TakesAnEmptySectionAsAllDefaults) {
  const Result<Loaded> loaded = Load("model: m\nrouter:\n");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.router.port, 8000);
}

TEST(YamlFile, TakesQuotedNumbersAsTemplatesWriteThem) {
  const Result<Loaded> loaded = Load("model: m\nrouter: {port: \"9000\"}\n");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.router.port, 9000);
}

TEST(YamlFile, TakesTheOnlyItemOfAListOfChoicesAlone) {
  for (const char* required : {"shm", "[shm]"}) {
    const Result<Loaded> loaded =
        Load("model: m\ntransport: {required: " + std::string(required) + "}\n");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->config.transport.required, std::vector<std::string>{"shm"});
  }
}

TEST(YamlFile, EndsOnAReferenceToItself) {
  EXPECT_NE(ErrorsOf("model: m\nrouter: &r {host: *r}\n"), "");
  EXPECT_NE(ErrorsOf("&a model: *a\n? *a\n: x\n"), "");
}

TEST(YamlFile, EndsOnDeepNesting) {
  EXPECT_NE(ErrorsOf("model: " + std::string(100'000, '[')), "");
}

TEST(YamlFile, EndsOnBytesThatAreNoText) {
  std::string bytes = "model: m\n";
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_NE(ErrorsOf(bytes), "");
}

}  // namespace
}  // namespace baton::config
