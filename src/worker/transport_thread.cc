#include "transport_thread.h"

#include <limits>
#include <utility>

#include <pthread.h>

#include "baton/base/check.h"

namespace baton::worker {
namespace {

constexpr size_t kMailboxCapacity = 1 << 20;
/// Posted work done between two looks at the network.
constexpr int kWorkPerTurn = 64;

}  // namespace

TransportThread::TransportThread(transport::Transport& transport, Clock& clock)
    : transport_(transport), clock_(clock), mailbox_(kMailboxCapacity) {
  mailbox_.OnSend([this] { transport_.Wake(); });
}

void TransportThread::Start(Turn turn) {
  thread_ = std::jthread([this, turn = std::move(turn)](const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "transport");
    Run(stop, turn);
  });
}

void TransportThread::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  transport_.Wake();
  thread_.join();
}

void TransportThread::Post(std::function<void()> work) {
  BATON_CHECK(mailbox_.TrySend(std::move(work))) << "the transport thread does not keep up";
}

TimePoint TransportThread::TakeTurn(const Turn& turn, int most_work) {
  bool busy = false;
  for (int i = 0; i < most_work; ++i) {
    auto work = mailbox_.TryReceive();
    if (!work) break;
    (*work)();
    busy = true;
  }
  busy |= transport_.Progress();
  const TimePoint next = turn(clock_.Now());
  ++turns_;
  return busy ? TimePoint::min() : next;
}

void TransportThread::Run(const std::stop_token& stop, const Turn& turn) {
  bool stopping = false;
  while (!stopping) {
    // Read first: what was posted before the stop is still done below.
    stopping = stop.stop_requested();
    const TimePoint next =
        TakeTurn(turn, stopping ? std::numeric_limits<int>::max() : kWorkPerTurn);
    const TimePoint now = clock_.Now();
    if (!stopping && next > now) transport_.Wait(next - now);
  }
}

}  // namespace baton::worker
