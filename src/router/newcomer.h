#pragma once

#include <optional>
#include <string>

#include "member.h"

namespace baton::router {

/// An address at which a worker was found: asks who is there until somebody says so.
/// *Threads*: lives on the router's thread.
/// REQUIRES: Close() and then idle() before it is destroyed.
class Newcomer {
 public:
  Newcomer(std::string address, const Member::Surroundings& surroundings);

  /// Asks if that is due; returns when something will be due.
  TimePoint Tick(TimePoint now);
  void Close() { closed_ = true; }
  bool idle() const { return !asking_; }

  const std::string& address() const { return address_; }
  /// What it said, once; absent: nothing yet.
  std::optional<rpc::WorkerDescription> TakeDescription();
  /// It is asked again later. Whether `problem` is another one than before.
  bool Refuse(const std::string& problem);
  /// Why it is not one of the fleet's workers; empty: it has not been asked yet.
  const std::string& problem() const { return problem_; }

 private:
  void Ask();
  void Answered(const Result<rpc::WorkerDescription>& answer);

  const std::string address_;
  const Member::Surroundings surroundings_;
  std::unique_ptr<rpc::WorkerClient> client_;
  std::optional<rpc::WorkerDescription> description_;
  bool asking_ = false;
  bool closed_ = false;
  TimePoint next_{};
  Duration pause_;
  std::string problem_;
};

}  // namespace baton::router
