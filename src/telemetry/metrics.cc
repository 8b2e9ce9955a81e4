#include "baton/telemetry/metrics.h"

#include <cmath>
#include <exception>
#include <map>
#include <mutex>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "baton/base/check.h"

namespace baton::telemetry {
namespace {

class PrometheusCounter final : public Counter {
 public:
  explicit PrometheusCounter(prometheus::Counter& metric) : metric_(metric) {}
  void Add(double amount) override { metric_.Increment(amount); }

 private:
  prometheus::Counter& metric_;
};

class PrometheusGauge final : public Gauge {
 public:
  explicit PrometheusGauge(prometheus::Gauge& metric) : metric_(metric) {}
  void Set(double value) override { metric_.Set(value); }
  void Add(double amount) override { metric_.Increment(amount); }

 private:
  prometheus::Gauge& metric_;
};

class PrometheusHistogram final : public Histogram {
 public:
  explicit PrometheusHistogram(prometheus::Histogram& metric) : metric_(metric) {}
  using Histogram::Observe;
  void Observe(double value) override { metric_.Observe(value); }

 private:
  prometheus::Histogram& metric_;
};

prometheus::Labels ToPrometheus(const Labels& labels) { return {labels.begin(), labels.end()}; }

MetricSample ToSample(const prometheus::ClientMetric& metric, prometheus::MetricType type) {
  MetricSample sample;
  for (const auto& label : metric.label) sample.labels.emplace_back(label.name, label.value);
  if (type == prometheus::MetricType::Counter) sample.value = metric.counter.value;
  if (type == prometheus::MetricType::Gauge) sample.value = metric.gauge.value;
  if (type == prometheus::MetricType::Histogram) {
    for (const auto& bucket : metric.histogram.bucket) {
      if (std::isinf(bucket.upper_bound)) continue;
      sample.upper_bounds.push_back(bucket.upper_bound);
      sample.cumulative_counts.push_back(bucket.cumulative_count);
    }
    sample.sum = metric.histogram.sample_sum;
    sample.count = metric.histogram.sample_count;
  }
  return sample;
}

MetricType ToType(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter: return MetricType::kCounter;
    case prometheus::MetricType::Histogram: return MetricType::kHistogram;
    default: return MetricType::kGauge;
  }
}

}  // namespace

std::vector<double> LatencyBuckets() {
  return {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60};
}

struct MetricRegistry::Parts {
  /// The wrapper of `metric`, made on first use.
  template <typename Wrapper, typename Interface, typename Metric>
  Interface& Wrap(std::map<const void*, std::unique_ptr<Interface>>& wrappers, Metric& metric) {
    std::lock_guard lock(mutex);
    auto& wrapper = wrappers[&metric];
    if (wrapper == nullptr) wrapper = std::make_unique<Wrapper>(metric);
    return *wrapper;
  }

  /// The labelled metric of the family that `builder` describes. The library throws when a name is
  /// invalid or already has another type: a bug of the caller.
  template <typename Builder, typename... Args>
  auto& Build(Builder builder, const std::string& name, const std::string& help,
              const Labels& labels, const Args&... args) {
    try {
      return builder.Name(name)
          .Help(help)
          .Labels(constant_labels)
          .Register(registry)
          .Add(ToPrometheus(labels), args...);
    } catch (const std::exception& error) {
      BATON_CHECK(false) << "metric " << name << ": " << error.what();
      throw;
    }
  }

  prometheus::Labels constant_labels;
  prometheus::Registry registry;
  /// Guards the maps of wrappers while metrics are added; no thread waits under it.
  std::mutex mutex;
  std::map<const void*, std::unique_ptr<Counter>> counters;
  std::map<const void*, std::unique_ptr<Gauge>> gauges;
  std::map<const void*, std::unique_ptr<Histogram>> histograms;
};

MetricRegistry::MetricRegistry(Labels constant_labels) : parts_(std::make_unique<Parts>()) {
  parts_->constant_labels = ToPrometheus(constant_labels);
}

MetricRegistry::~MetricRegistry() = default;

Counter& MetricRegistry::AddCounter(const std::string& name, const std::string& help,
                                    const Labels& labels) {
  auto& metric = parts_->Build(prometheus::BuildCounter(), name, help, labels);
  return parts_->Wrap<PrometheusCounter>(parts_->counters, metric);
}

Gauge& MetricRegistry::AddGauge(const std::string& name, const std::string& help,
                                const Labels& labels) {
  auto& metric = parts_->Build(prometheus::BuildGauge(), name, help, labels);
  return parts_->Wrap<PrometheusGauge>(parts_->gauges, metric);
}

Histogram& MetricRegistry::AddHistogram(const std::string& name, const std::string& help,
                                        const Labels& labels, const std::vector<double>& buckets) {
  auto& metric = parts_->Build(prometheus::BuildHistogram(), name, help, labels, buckets);
  return parts_->Wrap<PrometheusHistogram>(parts_->histograms, metric);
}

MetricsSnapshot MetricRegistry::Collect() const {
  MetricsSnapshot snapshot;
  for (const prometheus::MetricFamily& family : parts_->registry.Collect()) {
    MetricFamily& copy = snapshot.families.emplace_back();
    copy.name = family.name;
    copy.help = family.help;
    copy.type = ToType(family.type);
    for (const auto& metric : family.metric) copy.samples.push_back(ToSample(metric, family.type));
  }
  return snapshot;
}

}  // namespace baton::telemetry
