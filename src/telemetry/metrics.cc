#include "baton/telemetry/metrics.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <functional>
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
  /// One labelled metric: the interface that its users hold, and how it is taken out of its family.
  template <typename Interface>
  struct Series {
    std::unique_ptr<Interface> interface;
    Labels labels;
    std::function<void()> remove;
  };
  template <typename Interface>
  using SeriesByMetric = std::map<const void*, Series<Interface>>;

  /// The labelled metric of the family that `builder` describes, made on first use. The library
  /// throws when a name is invalid or already has another type: a bug of the caller.
  template <typename Wrapper, typename Interface, typename Builder, typename... Args>
  Interface& Add(SeriesByMetric<Interface>& all, Builder builder, const std::string& name,
                 const std::string& help, const Labels& labels, const Args&... args) {
    std::lock_guard lock(mutex);
    try {
      auto& family = builder.Name(name).Help(help).Labels(constant_labels).Register(registry);
      auto& metric = family.Add(ToPrometheus(labels), args...);
      auto& series = all[&metric];
      if (series.interface == nullptr) {
        series = {std::make_unique<Wrapper>(metric), labels,
                  [&family, &metric] { family.Remove(&metric); }};
      }
      return *series.interface;
    } catch (const std::exception& error) {
      BATON_CHECK(false) << "metric " << name << ": " << error.what();
      throw;
    }
  }

  template <typename Interface>
  void Remove(SeriesByMetric<Interface>& all, const std::pair<std::string, std::string>& label) {
    std::lock_guard lock(mutex);
    std::erase_if(all, [&](const auto& entry) {
      const Labels& labels = entry.second.labels;
      if (std::find(labels.begin(), labels.end(), label) == labels.end()) return false;
      entry.second.remove();
      return true;
    });
  }

  prometheus::Labels constant_labels;
  prometheus::Registry registry;
  /// Guards what is known of the series while some are added or removed; no thread waits under it.
  std::mutex mutex;
  SeriesByMetric<Counter> counters;
  SeriesByMetric<Gauge> gauges;
  SeriesByMetric<Histogram> histograms;
};

MetricRegistry::MetricRegistry(Labels constant_labels) : parts_(std::make_unique<Parts>()) {
  parts_->constant_labels = ToPrometheus(constant_labels);
}

MetricRegistry::~MetricRegistry() = default;

Counter& MetricRegistry::AddCounter(const std::string& name, const std::string& help,
                                    const Labels& labels) {
  return parts_->Add<PrometheusCounter>(parts_->counters, prometheus::BuildCounter(), name, help,
                                        labels);
}

Gauge& MetricRegistry::AddGauge(const std::string& name, const std::string& help,
                                const Labels& labels) {
  return parts_->Add<PrometheusGauge>(parts_->gauges, prometheus::BuildGauge(), name, help, labels);
}

Histogram& MetricRegistry::AddHistogram(const std::string& name, const std::string& help,
                                        const Labels& labels, const std::vector<double>& buckets) {
  return parts_->Add<PrometheusHistogram>(parts_->histograms, prometheus::BuildHistogram(), name,
                                          help, labels, buckets);
}

void MetricRegistry::Remove(const std::string& name, const std::string& value) {
  parts_->Remove(parts_->counters, {name, value});
  parts_->Remove(parts_->gauges, {name, value});
  parts_->Remove(parts_->histograms, {name, value});
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
