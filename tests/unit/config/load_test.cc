#include "baton/config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/config/schema.h"
#include "config_file.h"

namespace baton::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Setting& SettingOf(const Loaded& loaded, const std::string& path) {
  for (const Setting& setting : loaded.settings) {
    if (setting.path == path) return setting;
  }
  ADD_FAILURE() << "no setting " << path;
  return loaded.settings.front();
}

constexpr char kTenLines[] =
    "model: models/baton-tiny\n"
    "workers:\n"
    "  prefill: {count: 1, threads: 1, kv_memory: 64MiB}\n"
    "  decode:  {count: 3, threads: 2, kv_memory: 1GiB}\n"
    "router: {host: 127.0.0.1, port: 8001}\n";

TEST(LoadConfig, ReadsAFile) {
  const Result<Loaded> loaded = Load(kTenLines);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const Config& config = loaded->config;
  EXPECT_EQ(config.workers.prefill.count, 1);
  EXPECT_EQ(config.workers.decode.count, 3);
  EXPECT_EQ(config.workers.decode.threads, 2);
  EXPECT_EQ(config.workers.decode.kv_memory_bytes, kGiB);
  EXPECT_EQ(config.workers.mixed.count, 0);
  EXPECT_EQ(config.router.port, 8001);
  EXPECT_EQ(config.ModelName(), "baton-tiny");
}

TEST(LoadConfig, PrefersTheCommandLineOverEnvironmentOverFileOverDefault) {
  const std::string file = "model: m\nrouter: {port: 1, threads: 2, host: 127.0.0.2}\n";
  const Result<Loaded> loaded = Load(file, {"BATON_ROUTER_PORT=3", "BATON_ROUTER_THREADS=4"},
                                     {{"router.port", "5", "--port"}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.router.port, 5);
  EXPECT_EQ(loaded->config.router.threads, 4);
  EXPECT_EQ(loaded->config.router.host, "127.0.0.2");
  EXPECT_EQ(loaded->config.router.policy, "cost");
}

TEST(LoadConfig, SaysWhereEachValueComesFrom) {
  const Result<Loaded> loaded = Load("model: m\nrouter: {threads: 2}\n", {"BATON_ROUTER_HOST=::1"},
                                     {{"router.port", "5", "--port"}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(SettingOf(*loaded, "router.port").where, "--port");
  EXPECT_EQ(SettingOf(*loaded, "router.host").where, "BATON_ROUTER_HOST");
  EXPECT_THAT(SettingOf(*loaded, "router.threads").where, HasSubstr("baton.yaml:2:19"));
  EXPECT_EQ(SettingOf(*loaded, "router.policy").where, "default");
}

TEST(LoadConfig, TakesTheLastOfTwoOverridesOfOneKey) {
  const Result<Loaded> loaded =
      Load("model: m\n", {}, {{"router.port", "5", "--port"}, {"router.port", "6", "--set"}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.router.port, 6);
}

TEST(LoadConfig, StartsAPrefillAndADecodeWorkerWhenNoCountIsGiven) {
  const Result<Loaded> loaded = Load("model: m\nworkers: {prefill: {threads: 2}}\n");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.workers.prefill.count, 1);
  EXPECT_EQ(loaded->config.workers.decode.count, 1);
}

TEST(LoadConfig, TakesAMixedGroupAlone) {
  const Result<Loaded> loaded = Load("model: m\nworkers: {mixed: {count: 1}}\n");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.workers.total(), 1);
}

TEST(LoadConfig, ResolvesTheModelOfAFileAgainstTheFilesFolder) {
  const ConfigFile file("model: models/tiny/\n");
  const Result<Loaded> loaded = LoadConfig({file.path(), {}, {}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.model, file.folder() + "/models/tiny/");
  EXPECT_EQ(loaded->config.ModelName(), "tiny");
}

TEST(LoadConfig, ResolvesAModelGivenElsewhereAgainstTheWorkingDirectory) {
  const Result<Loaded> loaded = Load("model: m\n", {"BATON_MODEL=models/tiny"});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.model, (std::filesystem::current_path() / "models/tiny").string());
}

TEST(LoadConfig, ReadsListsFromTheCommandLineSeparatedByCommas) {
  const Result<Loaded> loaded =
      Load("model: m\n", {}, {{"router.workers", "p0=h:1,d0=h:2", "--set router.workers"}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->config.router.workers, ElementsAre("p0=h:1", "d0=h:2"));
}

TEST(LoadConfig, WarnsOfVariablesThatNameNoKey) {
  const Result<Loaded> loaded = Load("model: m\n", {"BATON_ROUTER_PROT=1", "HOME=/root"});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->warnings,
              ElementsAre("environment variable BATON_ROUTER_PROT names no key (did you mean "
                          "'BATON_ROUTER_PORT'?); it is ignored"));
}

TEST(LoadConfig, KnowsTheVariablesOfItsOwnTools) {
  const Result<Loaded> loaded = Load("model: m\n", {"BATON_JOBS=2", "BATON_NOTIFY_FD=3"});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->warnings, IsEmpty());
}

TEST(LoadConfig, NamesTheVariableOrTheFlagInErrors) {
  const Result<Loaded> loaded = Load(
      "model: m\n", {"BATON_ROUTER_PORT=x"},
      {{"router.threads", "0", "--set router.threads"}, {"router.hots", "h", "--set router.hots"}});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.status().message(),
            "BATON_ROUTER_PORT: router.port is 'x'; accepted: integer from 0 to 65535\n"
            "--set router.threads: router.threads is '0'; accepted: integer from 1 to 256\n"
            "--set router.hots: unknown key 'router.hots' (did you mean 'router.host'?)");
}

TEST(LoadConfig, NamesAFileThatCannotBeRead) {
  const Result<Loaded> loaded = LoadConfig({"/nowhere/baton.yaml", {}, {}});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.status().message(), "/nowhere/baton.yaml: cannot be read");
}

TEST(LoadConfig, TakesAnEmptyFile) {
  const Result<Loaded> loaded = Load("", {"BATON_MODEL=m"});
  EXPECT_TRUE(loaded.ok()) << loaded.status();
}

TEST(PrintConfig, LoadsToTheSameConfiguration) {
  const Result<Loaded> first = Load(
      "model: 'a \"b\" # c'\nserved_model_name: null-model\nlog_level: debug\n"
      "workers: {mixed: {count: 2, cores: '0-3,8', kv_memory: 100KB}}\n"
      "router: {workers: ['p0=h:1', 'p1=h:2']}\n"
      "engine: {kv_dtype: float32}\ntimeouts: {drain: 1.5s}\ntransport: {tls: 'tcp,self', "
      "required: [shm, "
      "rdma]}\n");
  ASSERT_TRUE(first.ok()) << first.status();
  const Result<Loaded> second = Load(PrintConfig(*first));
  ASSERT_TRUE(second.ok()) << second.status() << "\n" << PrintConfig(*first);
  for (size_t i = 0; i < first->settings.size(); ++i) {
    EXPECT_EQ(first->settings[i].value, second->settings[i].value) << first->settings[i].path;
    EXPECT_EQ(second->settings[i].origin, Origin::kFile);
  }
}

TEST(PrintConfig, ShowsValueAndOrigin) {
  const Result<Loaded> loaded = Load("model: /m\n", {"BATON_ROUTER_PORT=9"});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(PrintConfig(*loaded),
              HasSubstr("\nrouter:\n  host: 127.0.0.1" + std::string(27, ' ') + "  # default\n" +
                        "  port: 9" + std::string(35, ' ') + "  # BATON_ROUTER_PORT\n"));
}

}  // namespace
}  // namespace baton::config
