#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "admission_queue.h"
#include "baton/router/router.h"
#include "routed_request.h"
#include "worker_view.h"

namespace baton::router {

/// How fast a queue is worked off, from what went lately.
class DrainRate {
 public:
  /// So many tokens went, so long after those before them, while others waited.
  void Learn(int64_t tokens, Duration took);
  /// How long so many will take; zero while that cannot be told.
  Duration TimeFor(int64_t tokens) const;

 private:
  double tokens_ = 0;
  double seconds_ = 0;
  int32_t samples_ = 0;
};

/// Holds requests in the router until a worker has room for one more, so that workers' own queues
/// stay shallow and the order is the router's: see AdmissionQueue. Refuses, or puts behind others,
/// what cannot have its first token in time any more.
/// *Threads*: lives on the router's thread.
class Admission {
 public:
  using Routed = std::shared_ptr<RoutedRequest>;
  /// Where a request may go.
  enum class Terms {
    kAnywhere,
    /// Only where its first token can be there in time.
    kInTime,
    /// Only to who prefills without a queue: it is late already, and there it holds up nobody who
    /// is not.
    kUnqueued
  };
  /// What became of an attempt to send a request to a worker.
  struct Attempt {
    /// kNoRoom: none on these terms.
    enum class Outcome { kSent, kTooLate, kNoRoom, kNoWorker };
    Outcome outcome = Outcome::kSent;
    /// By how much, where it is too late.
    Duration late{};
  };
  /// What it asks of the router.
  struct Links {
    /// Some worker has room.
    std::function<bool()> has_room;
    /// Grows whenever there may be room where there was none.
    std::function<uint64_t()> room_version;
    std::function<Outlook(const Request&)> outlook;
    std::function<Attempt(const Routed&, Terms)> send;
    std::function<void(const Routed&, const api::Refusal&, Status)> refuse;
  };

  /// `metrics` outlives this. REQUIRES: the links may be used from Add() on.
  Admission(const RouterOptions& options, RouterMetrics& metrics, Links links);

  /// For requests that come from now on; those that wait keep the time that they had.
  void SetOptions(const RouterOptions& options);
  /// Sends it on, or has it wait, or refuses it.
  void Add(Routed routed, TimePoint now);
  /// Takes it out; null unless it waits.
  Routed Take(const std::string& id);
  /// Sends and refuses what is due. Cheap while nothing has changed.
  void Run(TimePoint now);
  /// When to Run() although nothing happens.
  TimePoint next() const;
  /// Whether requests can be sent at all, else why not.
  void SetPossible(const Status& possible, TimePoint now);
  /// Refuses all, those that come later too.
  void Close(const Status& status);
  /// What a request counts against its tenant, and what is made up for once it has ended.
  static int64_t Cost(int64_t prompt_tokens, int64_t output_tokens);
  void Settle(const RoutedRequest& routed);

  /// Those that wait, in no order.
  std::vector<Routed> All() const;
  bool empty() const { return queue_.empty(); }
  size_t size() const { return queue_.size(); }

 private:
  struct Entry {
    Routed routed;
    TimePoint expires;
  };

  /// Of one that waits: whether its first token will be late, and what then.
  void Judge(QueueNumber number, TimePoint now);
  void TooLate(QueueNumber number, Duration late);
  /// What is overdue.
  void Expire(TimePoint now);
  void Refuse(QueueNumber number, const api::Refusal& refusal, const Status& status);
  /// Of one that is in the queue no more.
  Routed Forget(QueueNumber number);
  bool Hurries(const RoutedRequest& routed) const;
  /// Of one that waits.
  Terms TermsOf(QueueNumber number) const;

  RouterOptions options_;
  RouterMetrics& metrics_;
  const Links links_;
  AdmissionQueue queue_;
  std::unordered_map<QueueNumber, Entry> entries_;
  std::unordered_map<std::string, QueueNumber> numbers_;
  DrainRate rate_;
  /// Since the last request went, or the first one had to wait.
  std::optional<TimePoint> waits_since_;
  /// There was no room as of this version; and none without a queue.
  std::optional<uint64_t> no_room_;
  std::optional<uint64_t> queued_everywhere_;
  /// Why it is closed.
  Status closed_;
  Status possible_;
  /// Since when it is not.
  std::optional<TimePoint> impossible_since_;
};

}  // namespace baton::router
