#include "baton/discovery/dns_source.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>
#include <utility>

#include <pthread.h>

#include "baton/base/gate.h"
#include "baton/base/random.h"
#include "baton/config/config.h"
#include "baton/outbound/resolver.h"
#include "known_name.h"

namespace baton::discovery {
namespace {

/// However long a name's time to live.
constexpr Duration kLongestPause = std::chrono::seconds(30);

class AskedNames final : public Source {
 public:
  AskedNames(const DnsOptions& options, const Clock& clock) : options_(options), clock_(clock) {
    for (const std::string& name : options.names) names_.emplace_back(name);
  }
  ~AskedNames() override {
    if (!thread_.joinable()) return;
    stopping_ = true;
    stop_.Open();
    thread_.join();
  }

  Status Open() {
    BATON_ASSIGN_OR_RETURN(resolver_, outbound::Resolver::Open(options_.server, stopping_));
    return OkStatus();
  }
  void Start(Listener& listener) override {
    thread_ = std::thread([this, &listener] {
      pthread_setname_np(pthread_self(), "discovery");
      do {
        Look(listener);
      } while (!stop_.Wait(pause_));
    });
  }
  std::string name() const override { return "DNS"; }

 private:
  void Look(Listener& listener) {
    Status trouble;
    Duration ttl = kLongestPause;
    for (KnownName& name : names_) {
      Result<outbound::Addresses> found = resolver_->Ask(name.name());
      if (stopping_) return;
      ttl = std::min(ttl, found.ok() ? found->time_to_live : Duration::zero());
      const Status status = name.Learn(std::move(found), clock_.Now());
      if (!status.ok()) trouble = status;
    }
    listener.OnTrouble(trouble);
    Tell(listener);
    pause_ = std::max(options_.interval, ttl);
    // Routers that started together do not ask together for ever.
    pause_ += pause_ / 1000 * static_cast<int64_t>(random_.Below(100));
  }

  void Tell(Listener& listener) {
    std::vector<Place> places;
    for (const KnownName& name : names_) {
      for (const std::string& address : name.addresses()) places.push_back({.address = address});
    }
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
    if (told_ == places) return;
    told_ = places;
    listener.OnPlaces(std::move(places));
  }

  const DnsOptions options_;
  const Clock& clock_;
  std::deque<KnownName> names_;
  std::vector<Place> told_;
  Duration pause_{};
  Random random_{RandomSeed()};
  std::atomic<bool> stopping_{false};
  std::unique_ptr<outbound::Resolver> resolver_;
  Gate stop_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Source>> DnsSource(const DnsOptions& options, const Clock& clock) {
  for (const std::string& name : options.names) BATON_RETURN_IF_ERROR(config::ParseDnsName(name));
  auto source = std::make_unique<AskedNames>(options, clock);
  BATON_RETURN_IF_ERROR(source->Open());
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace baton::discovery
