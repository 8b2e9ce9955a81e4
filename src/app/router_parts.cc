#include "router_parts.h"

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

#include <unistd.h>

#include "baton/app/options.h"
#include "baton/base/logging.h"
#include "baton/base/random.h"
#include "baton/model/model.h"

namespace baton::app {
namespace {

/// What the API tells of the model, beside its text.
struct ModelFacts {
  int32_t context_tokens = 0;
  SamplingParams sampling_defaults;
  std::string fingerprint;
};

Status LoadText(const std::string& folder, RouterParts& parts) {
  BATON_ASSIGN_OR_RETURN(parts.tokenizer, text::Tokenizer::Load(folder));
  Result<text::ChatTemplate> chat_template = text::ChatTemplate::Load(folder);
  if (chat_template.ok()) {
    parts.chat_template = *std::move(chat_template);
  } else if (chat_template.status().code() == StatusCode::kNotFound) {
    BATON_LOG(Warning) << "the model has no chat template; chat requests are refused";
  } else {
    return chat_template.status();
  }
  return OkStatus();
}

Result<ModelFacts> LoadFacts(const std::string& folder, bool random_weights) {
  ModelFacts facts;
  if (random_weights) {  // Which the router would make up for nothing.
    BATON_ASSIGN_OR_RETURN(const model::ModelConfig config, model::ModelConfig::Load(folder));
    BATON_ASSIGN_OR_RETURN(const auto generation, model::GenerationConfig::Load(folder));
    facts.context_tokens = config.context_tokens;
    facts.sampling_defaults = ToSamplingDefaults(generation);
    facts.fingerprint = "fp_random";
    return facts;
  }
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<model::Model> model, model::Model::Load(folder));
  facts.context_tokens = model->config().context_tokens;
  facts.sampling_defaults = ToSamplingDefaults(model->generation_config());
  facts.fingerprint = "fp_" + model->fingerprint().substr(0, 12);
  return facts;
}

/// What no other router is called: "host:process".
std::string InstanceName() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return std::string(host) + ":" + std::to_string(getpid());
}

/// Of requests, for whoever the configuration or the environment names.
Status OpenSpans(const config::Config& config, const Clock& clock, RouterParts& parts) {
  const auto environment = [](const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    return std::string(value == nullptr ? "" : value);
  };
  BATON_ASSIGN_OR_RETURN(const auto settings,
                         otlp::ReadSettings(config.telemetry.otlp, environment));
  if (!settings) return OkStatus();
  const auto unix_ahead = [&clock] {
    return std::chrono::system_clock::now().time_since_epoch() - clock.Now().time_since_epoch();
  };
  BATON_ASSIGN_OR_RETURN(parts.spans, otlp::Exporter::Start({.settings = *settings,
                                                             .version = BATON_VERSION,
                                                             .instance = InstanceName(),
                                                             .flush = config.timeouts.stop / 2,
                                                             .unix_ahead = unix_ahead},
                                                            parts.metrics, clock));
  parts.tracer =
      std::make_unique<telemetry::Tracer>(*parts.spans, settings->sampling, clock, RandomSeed());
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<RouterParts>> MakeRouterParts(const config::Config& config,
                                                     router::RouterOptions options, Clock& clock) {
  auto parts = std::make_unique<RouterParts>();
  BATON_RETURN_IF_ERROR(LoadText(config.model, *parts));
  BATON_ASSIGN_OR_RETURN(const ModelFacts facts,
                         LoadFacts(config.model, config.engine.load == "random"));
  api::ApiOptions api_options = ToApiOptions(config);
  if (api_options.context_tokens == 0 || api_options.context_tokens > facts.context_tokens) {
    api_options.context_tokens = facts.context_tokens;
  }
  api_options.sampling_defaults = facts.sampling_defaults;
  api_options.system_fingerprint = facts.fingerprint;
  parts->metrics
      .AddGauge("baton_build_info", "1 for the version that this router is of",
                {{"version", api_options.version}})
      .Set(1);
  BATON_RETURN_IF_ERROR(OpenSpans(config, clock, *parts));
  api_options.tracer = options.tracer = parts->tracer.get();
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<discovery::Source> source, MakeSource(config, clock));
  BATON_ASSIGN_OR_RETURN(parts->router,
                         router::Router::Create(options, parts->metrics, clock, std::move(source)));
  if (!config.router.api_keys.empty()) {
    BATON_ASSIGN_OR_RETURN(parts->gatekeeper,
                           access::Gatekeeper::Open(config.router.api_keys, clock));
  }
  BATON_ASSIGN_OR_RETURN(
      parts->frontend,
      api::Frontend::Create(api_options, *parts->router, *parts->tokenizer,
                            parts->chat_template ? &*parts->chat_template : nullptr, parts->metrics,
                            clock, parts->gatekeeper.get()));
  return parts;
}

}  // namespace baton::app
