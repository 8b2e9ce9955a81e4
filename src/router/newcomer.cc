#include "newcomer.h"

#include <algorithm>
#include <utility>

#include "baton/base/logging.h"

namespace baton::router {
namespace {

constexpr Duration kAskTimeout = std::chrono::seconds(2);
/// The longest pause between two questions, as a multiple of that between two dials of a worker
/// that is known: an address is often one where nobody serves yet.
constexpr int kLongestPause = 8;

}  // namespace

Newcomer::Newcomer(std::string address, const Member::Surroundings& surroundings)
    : address_(std::move(address)),
      surroundings_(surroundings),
      pause_(surroundings.options.redial_min) {}

TimePoint Newcomer::Tick(TimePoint now) {
  if (asking_ || closed_ || description_) return TimePoint::max();
  if (next_ > now) return next_;
  Ask();
  return TimePoint::max();
}

void Newcomer::Ask() {
  asking_ = true;
  client_ = surroundings_.dial(address_);
  client_->Describe(kAskTimeout, [this](Result<rpc::WorkerDescription> answer) {
    surroundings_.post([this, answer = std::move(answer)] { Answered(answer); });
  });
}

void Newcomer::Answered(const Result<rpc::WorkerDescription>& answer) {
  asking_ = false;
  if (closed_) return;
  if (answer.ok()) {
    description_ = *answer;
    return;
  }
  surroundings_.metrics.CountNewcomer("no_answer");
  if (Refuse("it has not said who it is: " + answer.status().message())) {
    BATON_LOG(Debug) << "nobody is at " << address_ << " yet: " << answer.status().message();
  }
}

std::optional<rpc::WorkerDescription> Newcomer::TakeDescription() {
  return std::exchange(description_, std::nullopt);
}

bool Newcomer::Refuse(const std::string& problem) {
  next_ = surroundings_.clock.Now() + pause_;
  pause_ = std::min<Duration>(2 * pause_, kLongestPause * surroundings_.options.redial_max);
  return std::exchange(problem_, problem) != problem;
}

}  // namespace baton::router
