#include "baton/nodes/link_thread.h"

#include <algorithm>
#include <string>
#include <utility>

#include <pthread.h>

#include "baton/base/silence.h"

namespace baton::nodes {

LinkThread::LinkThread(std::shared_ptr<Link> link, Duration silence, Clock& clock,
                       Listener listener)
    : link_(std::move(link)),
      silence_(silence),
      clock_(clock),
      listener_(std::move(listener)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

LinkThread::~LinkThread() {
  thread_.request_stop();
  link_->Shutdown();
  thread_.join();
}

void LinkThread::Run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "node");
  const Status ended = ReceiveUntilEnd(stop);
  if (!stop.stop_requested()) listener_.on_lost(ended);
}

Status LinkThread::ReceiveUntilEnd(const std::stop_token& stop) {
  Silence silent(silence_, clock_.Now());
  TimePoint next_sign = clock_.Now();
  while (!stop.stop_requested()) {
    const TimePoint now = clock_.Now();
    if (now >= next_sign) {
      BATON_RETURN_IF_ERROR(link_->Send(kSign));
      next_sign = now + silence_ / 3;
    }
    if (silent.Look(now)) {
      return Unavailable(link_->peer() + " is lost (it said nothing for " +
                         std::to_string(Seconds(silence_)) + " s)");
    }
    const TimePoint next = std::min(next_sign, silent.next());
    if (!link_->AwaitReadable(std::max(next - now, Duration::zero()))) continue;
    BATON_ASSIGN_OR_RETURN(Frame frame, link_->Receive());
    silent.Heard(clock_.Now());
    if (frame.kind != kSign) listener_.on_frame(std::move(frame));
  }
  return OkStatus();
}

}  // namespace baton::nodes
