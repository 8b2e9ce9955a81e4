#include "baton/otlp/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace baton::otlp {
namespace {

constexpr char kKeys[] = "telemetry.otlp.";
constexpr char kTraces[] = "/v1/traces";

/// A text and whence it comes, for messages.
struct Said {
  std::string where;
  std::string text;
};

Status Wrong(const Said& said, const std::string& wanted) {
  return InvalidArgument(said.where + " is '" + said.text + "'; " + wanted);
}

std::string_view WithoutBlanks(std::string_view text) {
  constexpr char kBlanks[] = " \t";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

/// Nothing where a percent sign stands before no two digits.
std::optional<std::string> PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    int byte = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (error != std::errc() || digits.size() != 2 || end != digits.data() + 2) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

/// "name=value,name=value" with percent signs, as W3C Baggage has it.
Result<Pairs> ParsePairs(const Said& said) {
  Pairs pairs;
  std::string_view rest = said.text;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = WithoutBlanks(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    const std::string_view name = WithoutBlanks(item.substr(0, equals));
    const auto value = equals == std::string_view::npos
                           ? std::nullopt
                           : PercentDecoded(WithoutBlanks(item.substr(equals + 1)));
    // Its value may be a secret.
    if (name.empty() || !value) {
      return InvalidArgument(said.where +
                             " is no list of name=value, separated by commas, with other signs as "
                             "%20 and the like");
    }
    pairs.emplace_back(name, *value);
  }
  return pairs;
}

class Reader {
 public:
  Reader(const config::Otlp& config, const Environment& environment)
      : config_(config), environment_(environment) {}

  Result<std::optional<Settings>> Read() {
    if (config_.endpoint.empty() && SwitchedOff()) return std::optional<Settings>();
    BATON_ASSIGN_OR_RETURN(const bool any, ReadEndpoint());
    if (!any) return std::optional<Settings>();
    BATON_RETURN_IF_ERROR(ReadHeaders());
    BATON_RETURN_IF_ERROR(ReadCompression());
    BATON_RETURN_IF_ERROR(ReadTimeout());
    BATON_RETURN_IF_ERROR(ReadSampler());
    BATON_RETURN_IF_ERROR(ReadResource());
    settings_.authority_file = Either("authority", config_.authority, "CERTIFICATE").text;
    settings_.interval = config_.interval;
    settings_.batch_spans = static_cast<size_t>(config_.batch_spans);
    settings_.queue_spans = static_cast<size_t>(config_.queue_spans);
    return std::optional<Settings>(settings_);
  }

 private:
  Said Variable(const std::string& name) const { return {name, environment_(name)}; }
  /// That of traces, else that of all signals.
  Said OfExporter(const std::string& name) const {
    const Said traces = Variable("OTEL_EXPORTER_OTLP_TRACES_" + name);
    return traces.text.empty() ? Variable("OTEL_EXPORTER_OTLP_" + name) : traces;
  }
  Said Either(const std::string& key, const std::string& text, const std::string& variable) const {
    return text.empty() ? OfExporter(variable) : Said{kKeys + key, text};
  }

  bool SwitchedOff() const {
    return environment_("OTEL_SDK_DISABLED") == "true" ||
           environment_("OTEL_TRACES_EXPORTER") == "none";
  }

  Result<bool> ReadEndpoint() {
    Said said{kKeys + std::string("endpoint"), config_.endpoint};
    bool whole = false;
    if (said.text.empty()) {
      said = Variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
      whole = !said.text.empty();
    }
    if (said.text.empty()) {
      said = Variable("OTEL_EXPORTER_OTLP_ENDPOINT");
      const Said protocol = OfExporter("PROTOCOL");
      if (!said.text.empty() && protocol.text == "grpc") return NoGrpc(protocol);
    } else if (const Said protocol = OfExporter("PROTOCOL"); whole && protocol.text == "grpc") {
      return NoGrpc(protocol);
    }
    if (said.text.empty()) return false;
    const Result<config::HttpUrl> url = config::ParseHttpUrl(said.text);
    if (!url.ok()) return InvalidArgument(said.where + ": " + url.status().message());
    settings_.endpoint = *url;
    std::string& path = settings_.endpoint.path;
    const bool from_key = !config_.endpoint.empty();
    // One path of the configuration is the whole, a variable's one for all signals what is before.
    if (!whole && (!from_key || path == "/")) {
      if (path.ends_with('/')) path.pop_back();
      path += kTraces;
    }
    return true;
  }
  static Status NoGrpc(const Said& said) {
    return Wrong(said,
                 "spans are sent over HTTP: set http/json, and the endpoint to the collector's "
                 "port for HTTP, as a rule 4318");
  }

  Status ReadHeaders() {
    if (config_.headers.empty()) {
      BATON_ASSIGN_OR_RETURN(settings_.headers, ParsePairs(OfExporter("HEADERS")));
      return OkStatus();
    }
    for (const std::string& header : config_.headers) {
      const size_t equals = header.find('=');
      settings_.headers.emplace_back(header.substr(0, equals), header.substr(equals + 1));
    }
    return OkStatus();
  }

  Status ReadCompression() {
    const std::string key = config_.compression == "auto" ? "" : config_.compression;
    const Said said = Either("compression", key, "COMPRESSION");
    settings_.gzip = said.text == "gzip";
    if (settings_.gzip || said.text.empty() || said.text == "none") return OkStatus();
    return Wrong(said, "write gzip or none");
  }

  Status ReadTimeout() {
    if (config_.timeout > Duration::zero()) {
      settings_.timeout = config_.timeout;
      return OkStatus();
    }
    const Said said = OfExporter("TIMEOUT");
    if (said.text.empty()) return OkStatus();
    int32_t ms = 0;
    const char* const last = said.text.data() + said.text.size();
    const auto [end, error] = std::from_chars(said.text.data(), last, ms);
    if (error != std::errc() || end != last || ms <= 0) {
      return Wrong(said, "write a number of milliseconds, e.g. 10000");
    }
    settings_.timeout = std::chrono::milliseconds(ms);
    return OkStatus();
  }

  Status ReadSampler() {
    const bool by_key = config_.sampler != "auto";
    const Said sampler = by_key ? Said{kKeys + std::string("sampler"), config_.sampler}
                                : Variable("OTEL_TRACES_SAMPLER");
    std::string name = sampler.text.empty() ? "parentbased_always_on" : sampler.text;
    constexpr std::string_view kParent = "parentbased_";
    settings_.sampling.heeds_parent = name.starts_with(kParent);
    if (settings_.sampling.heeds_parent) name.erase(0, kParent.size());
    if (name == "always_on" || name == "always_off") {
      settings_.sampling.ratio = name == "always_on" ? 1 : 0;
      return OkStatus();
    }
    if (name != "traceidratio") {
      return Wrong(sampler,
                   "write always_on, always_off, traceidratio, or one of these after parentbased_");
    }
    return ReadRatio(config_.sampler_arg.empty()
                         ? Variable("OTEL_TRACES_SAMPLER_ARG")
                         : Said{kKeys + std::string("sampler_arg"), config_.sampler_arg});
  }
  Status ReadRatio(const Said& said) {
    if (said.text.empty()) return OkStatus();
    const char* const last = said.text.data() + said.text.size();
    double ratio = 0;
    const auto [end, error] = std::from_chars(said.text.data(), last, ratio);
    if (error != std::errc() || end != last || !(ratio >= 0 && ratio <= 1)) {
      return Wrong(said, "write a number from 0 to 1, e.g. 0.01");
    }
    settings_.sampling.ratio = ratio;
    return OkStatus();
  }

  Status ReadResource() {
    BATON_ASSIGN_OR_RETURN(settings_.resource, ParsePairs(Variable("OTEL_RESOURCE_ATTRIBUTES")));
    for (const auto& [name, value] : settings_.resource) {
      if (name == "service.name") settings_.service_name = value;
    }
    std::erase_if(settings_.resource,
                  [](const auto& pair) { return pair.first == "service.name"; });
    const std::string name = environment_("OTEL_SERVICE_NAME");
    if (!name.empty()) settings_.service_name = name;
    if (!config_.service_name.empty()) settings_.service_name = config_.service_name;
    return OkStatus();
  }

  const config::Otlp& config_;
  const Environment& environment_;
  Settings settings_;
};

}  // namespace

Result<std::optional<Settings>> ReadSettings(const config::Otlp& config,
                                             const Environment& environment) {
  return Reader(config, environment).Read();
}

}  // namespace baton::otlp
