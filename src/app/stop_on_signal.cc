#include "baton/app/stop_on_signal.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "baton/app/supervisor.h"
#include "baton/base/logging.h"

namespace baton::app {
namespace {

/// Signals this soon after the first count as the same: wrappers like timeout(1) send two.
constexpr Duration kSameSignal = std::chrono::milliseconds(500);

}  // namespace

StopOnSignal::StopOnSignal(Clock& clock)
    : clock_(clock),
      signals_(MakeSignalDescriptor()),
      end_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Watch(); }) {}

StopOnSignal::~StopOnSignal() {
  BATON_CHECK(eventfd_write(end_.get(), 1) == 0);
  thread_.join();
}

void StopOnSignal::Watch() {
  TimePoint first;
  for (;;) {
    std::array<pollfd, 2> polled{{{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    if ((polled[1].revents & POLLIN) != 0) return;
    signalfd_siginfo info{};
    if (read(signals_.get(), &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo == SIGUSR1) {
      ++dumps_;
      continue;
    }
    const char* name = sigabbrev_np(static_cast<int>(info.ssi_signo));
    const TimePoint now = clock_.Now();
    if (!stop_.request_stop()) {
      if (now - first < kSameSignal) continue;
      std::_Exit(1);
    }
    first = now;
    BATON_LOG(Info) << "SIG" << name << ": draining; a second one ends at once";
  }
}

}  // namespace baton::app
