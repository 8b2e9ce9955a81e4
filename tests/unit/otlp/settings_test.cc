#include "baton/otlp/settings.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::otlp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Variables = std::map<std::string, std::string>;

Result<std::optional<Settings>> Read(const config::Otlp& config, const Variables& variables) {
  return ReadSettings(config, [&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  });
}

/// With an endpoint in the variables.
Settings From(config::Otlp config, Variables variables = {}) {
  variables.emplace("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
  const auto settings = Read(config, variables);
  EXPECT_TRUE(settings.ok() && *settings) << settings.status().message();
  return settings.ok() && *settings ? **settings : Settings();
}

std::string ErrorOf(config::Otlp config, Variables variables) {
  variables.emplace("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
  return Read(config, variables).status().message();
}

TEST(OtlpSettings, AreNoneWithoutAnEndpoint) {
  EXPECT_FALSE((*Read({}, {})).has_value());
  EXPECT_FALSE(
      (*Read({}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}, {"OTEL_SDK_DISABLED", "true"}}))
          .has_value());
  EXPECT_FALSE(
      (*Read({}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"}, {"OTEL_TRACES_EXPORTER", "none"}}))
          .has_value());
}

TEST(OtlpSettings, SendToThePathOfTheSignal) {
  EXPECT_EQ(From({.endpoint = "http://a:1"}).endpoint.path, "/v1/traces");
  EXPECT_EQ(From({.endpoint = "http://a:1/mine"}).endpoint.path, "/mine");
  EXPECT_EQ(From({.endpoint = "http://a:1"}).endpoint.host, "a");
  EXPECT_EQ(From({}).endpoint.path, "/v1/traces");
  EXPECT_EQ(From({}, {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/x/"}}).endpoint.path,
            "/x/v1/traces");
  const Settings traces = From({}, {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:9/y"}});
  EXPECT_EQ(traces.endpoint.path, "/y");
  EXPECT_EQ(traces.endpoint.port, 9);
}

TEST(OtlpSettings, TakeHeadersOfVariablesDecoded) {
  const Settings settings =
      From({}, {{"OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20eA==, x = 1 ,"}});
  EXPECT_THAT(settings.headers, ElementsAre(Pair("authorization", "Basic eA=="), Pair("x", "1")));
  EXPECT_THAT(From({.headers = {"k=a=b"}}, {{"OTEL_EXPORTER_OTLP_HEADERS", "x=1"}}).headers,
              ElementsAre(Pair("k", "a=b")));
  EXPECT_THAT(ErrorOf({}, {{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "secret"}}),
              testing::AllOf(HasSubstr("OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
                             testing::Not(HasSubstr("secret"))));
}

TEST(OtlpSettings, SampleAsTheKeyOrTheVariableSays) {
  EXPECT_TRUE(From({}).sampling.heeds_parent);
  EXPECT_EQ(From({}).sampling.ratio, 1);
  const Variables some = {{"OTEL_TRACES_SAMPLER", "parentbased_traceidratio"},
                          {"OTEL_TRACES_SAMPLER_ARG", "0.25"}};
  EXPECT_EQ(From({}, some).sampling.ratio, 0.25);
  EXPECT_EQ(From({.sampler_arg = "0.5"}, some).sampling.ratio, 0.5);
  EXPECT_EQ(From({.sampler = "always_off"}, some).sampling.ratio, 0);
  EXPECT_FALSE(From({.sampler = "always_off"}, some).sampling.heeds_parent);
}

TEST(OtlpSettings, TakeTheRestOfVariablesWhereNoKeySaysIt) {
  const Variables variables = {{"OTEL_EXPORTER_OTLP_TIMEOUT", "2500"},
                               {"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"},
                               {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"}};
  const Settings settings = From({}, variables);
  EXPECT_EQ(settings.timeout, std::chrono::milliseconds(2500));
  EXPECT_TRUE(settings.gzip);
  EXPECT_EQ(settings.authority_file, "/ca.pem");
  EXPECT_EQ(From({.timeout = std::chrono::seconds(1)}, variables).timeout, std::chrono::seconds(1));
  EXPECT_FALSE(From({.compression = "none"}, variables).gzip);
}

TEST(OtlpSettings, NameTheService) {
  const Variables variables = {{"OTEL_RESOURCE_ATTRIBUTES", "service.name=a,k8s.pod.name=p"}};
  EXPECT_EQ(From({}).service_name, "baton");
  EXPECT_EQ(From({}, variables).service_name, "a");
  EXPECT_THAT(From({}, variables).resource, ElementsAre(Pair("k8s.pod.name", "p")));
  Variables named = variables;
  named["OTEL_SERVICE_NAME"] = "b";
  EXPECT_EQ(From({}, named).service_name, "b");
  EXPECT_EQ(From({.service_name = "c"}, named).service_name, "c");
}

TEST(OtlpSettings, SayWhichVariableIsWrong) {
  for (const Variables::value_type& wrong :
       Variables{{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "c:4318"},
                 {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s"},
                 {"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"},
                 {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
                 {"OTEL_TRACES_SAMPLER", "xray"},
                 {"OTEL_RESOURCE_ATTRIBUTES", "a=%zz"}}) {
    EXPECT_THAT(ErrorOf({}, {wrong}), HasSubstr(wrong.first));
  }
  EXPECT_THAT(
      ErrorOf({}, {{"OTEL_TRACES_SAMPLER", "traceidratio"}, {"OTEL_TRACES_SAMPLER_ARG", "2"}}),
      HasSubstr("OTEL_TRACES_SAMPLER_ARG"));
}

}  // namespace
}  // namespace baton::otlp
