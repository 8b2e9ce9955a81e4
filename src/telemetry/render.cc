#include <algorithm>
#include <limits>
#include <map>

#include <prometheus/text_serializer.h>

#include "baton/telemetry/metrics.h"

namespace baton::telemetry {
namespace {

prometheus::MetricType ToPrometheus(MetricType type) {
  switch (type) {
    case MetricType::kCounter: return prometheus::MetricType::Counter;
    case MetricType::kHistogram: return prometheus::MetricType::Histogram;
    case MetricType::kGauge: break;
  }
  return prometheus::MetricType::Gauge;
}

/// The serializer writes HELP as it is; a newline in it would begin a line of its own.
std::string EscapeHelp(const std::string& help) {
  std::string escaped;
  for (char c : help) {
    if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\\') {
      escaped += "\\\\";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

prometheus::ClientMetric ToPrometheus(const MetricSample& sample, MetricType type) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  switch (type) {
    case MetricType::kCounter: metric.counter.value = sample.value; break;
    case MetricType::kGauge: metric.gauge.value = sample.value; break;
    case MetricType::kHistogram: {
      const size_t buckets = std::min(sample.upper_bounds.size(), sample.cumulative_counts.size());
      for (size_t i = 0; i < buckets; ++i) {
        metric.histogram.bucket.push_back({sample.cumulative_counts[i], sample.upper_bounds[i]});
      }
      metric.histogram.bucket.push_back({sample.count, std::numeric_limits<double>::infinity()});
      metric.histogram.sample_sum = sample.sum;
      metric.histogram.sample_count = sample.count;
      break;
    }
  }
  return metric;
}

}  // namespace

std::string RenderPrometheus(const std::vector<MetricsSnapshot>& snapshots) {
  std::vector<prometheus::MetricFamily> merged;
  std::map<std::string, size_t> index;
  for (const MetricsSnapshot& snapshot : snapshots) {
    for (const MetricFamily& family : snapshot.families) {
      const auto [at, added] = index.try_emplace(family.name, merged.size());
      if (added) {
        prometheus::MetricFamily& first = merged.emplace_back();
        first.name = family.name;
        first.help = EscapeHelp(family.help);
        first.type = ToPrometheus(family.type);
      }
      prometheus::MetricFamily& into = merged[at->second];
      if (into.type != ToPrometheus(family.type)) continue;
      for (const MetricSample& sample : family.samples) {
        into.metric.push_back(ToPrometheus(sample, family.type));
      }
    }
  }
  return prometheus::TextSerializer().Serialize(merged);
}

}  // namespace baton::telemetry
