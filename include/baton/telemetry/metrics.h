#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "baton/base/clock.h"

namespace baton::telemetry {

/// Label names and values, e.g. {{"state", "free"}}.
using Labels = std::vector<std::pair<std::string, std::string>>;

/// Seconds from 1 ms to 60 s, for latencies.
std::vector<double> LatencyBuckets();

/// Only grows. *Threads*: thread-safe, no lock.
class Counter {
 public:
  virtual ~Counter() = default;
  /// REQUIRES: amount >= 0.
  virtual void Add(double amount) = 0;
  void Increment() { Add(1); }
};

/// *Threads*: thread-safe, no lock.
class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Set(double value) = 0;
  virtual void Add(double amount) = 0;
};

/// *Threads*: thread-safe; takes a lock for an instant.
class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void Observe(double value) = 0;
  void Observe(Duration duration) { Observe(Seconds(duration)); }
};

enum class MetricType : int { kCounter = 0, kGauge = 1, kHistogram = 2 };

/// One labelled figure at one moment.
struct MetricSample {
  Labels labels;
  /// Of a counter or gauge.
  double value = 0;
  /// Of a histogram: observations at most upper_bounds[i]; the sum and count of all.
  std::vector<double> upper_bounds;
  std::vector<uint64_t> cumulative_counts;
  double sum = 0;
  uint64_t count = 0;
};

struct MetricFamily {
  std::string name;
  std::string help;
  MetricType type = MetricType::kGauge;
  std::vector<MetricSample> samples;
};

/// All figures of one process at one moment: plain values that cross processes.
struct MetricsSnapshot {
  std::vector<MetricFamily> families;
};

/// Owns the metrics of one process. Built by main and handed down.
/// *Threads*: thread-safe; add metrics at start, keep the references, they live as long as this or
/// until Remove().
class MetricRegistry {
 public:
  /// `constant_labels` are put on every sample, e.g. Labels{{"worker", "p0"}}.
  explicit MetricRegistry(Labels constant_labels = {});
  ~MetricRegistry();

  /// The same name and labels give the same metric again.
  /// REQUIRES: valid Prometheus names; one type and help per name; the same buckets per name.
  Counter& AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& AddHistogram(const std::string& name, const std::string& help,
                          const Labels& labels = {},
                          const std::vector<double>& buckets = LatencyBuckets());

  /// Forgets all series of whatever has the name `value` in the label `name`, e.g. a worker that has
  /// left, so that their number does not grow with every name that ever was.
  /// REQUIRES: nobody uses those metrics any more; the same name and labels give new ones.
  void Remove(const std::string& name, const std::string& value);

  MetricsSnapshot Collect() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Prometheus' text format 0.0.4 (content type kPrometheusContentType). Families of one name from
/// several snapshots appear under one HELP and TYPE; a family whose type disagrees with the first
/// one of its name is left out.
std::string RenderPrometheus(const std::vector<MetricsSnapshot>& snapshots);

inline constexpr char kPrometheusContentType[] = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace baton::telemetry
