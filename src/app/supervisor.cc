#include "baton/app/supervisor.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <optional>

#include <poll.h>
#include <sys/signalfd.h>

#include "baton/app/backoff.h"
#include "baton/app/child_process.h"
#include "baton/app/line_splitter.h"
#include "baton/base/units.h"
#include "process_slot.h"

namespace baton::app {
namespace {

/// What a process with a bad command line or configuration ends with.
constexpr int kUsageExitCode = 2;

}  // namespace

class Supervisor::Impl {
 public:
  Impl(SupervisorOptions options, std::vector<ProcessSpec> specs, Clock& clock)
      : options_(std::move(options)), clock_(clock), log_(options_.log) {
    for (ProcessSpec& spec : specs) {
      last_stage_ = std::max(last_stage_, spec.stop_stage);
      slots_.push_back(std::make_unique<ProcessSlot>(std::move(spec), options_.restart));
    }
  }

  Status Run(int signals) {
    for (auto& slot : slots_) {
      if (!stopping_) Start(*slot);
    }
    while (!Done()) {
      WaitForEvents(signals);
      for (auto& slot : slots_) Attend(*slot);
      if (stopping_) AdvanceStop();
    }
    return outcome_;
  }

  /// Nothing is left running, whatever went wrong before.
  ~Impl() {
    for (auto& slot : slots_) {
      if (!slot->child) continue;
      SendSignal(*slot->child, SIGKILL);
      Reap(*slot->child);
    }
  }

 private:
  bool Done() const {
    return stopping_ &&
           std::ranges::none_of(slots_, [](const auto& slot) { return slot->child.has_value(); });
  }

  void Start(ProcessSlot& slot) {
    slot.restart_at.reset();
    Result<ChildProcess> child = StartProcess(options_.executable, slot.spec.arguments);
    if (!child.ok()) {
      GiveUp(Aborted(slot.spec.name + ": " + child.status().message()));
      return;
    }
    slot.child = *std::move(child);
    slot.backoff.OnStart();
    slot.notes.clear();
  }

  void WaitForEvents(int signals) {
    std::vector<pollfd> polled{{signals, POLLIN, 0}};
    for (const auto& slot : slots_) {
      if (!slot->child) continue;
      for (const FileDescriptor* fd :
           {&slot->child->pidfd, &slot->child->output, &slot->child->notes}) {
        // poll() passes over the closed ones, which are negative.
        polled.push_back({fd->get(), POLLIN, 0});
      }
    }
    if (poll(polled.data(), polled.size(), TimeoutMs()) <= 0) return;
    if ((polled[0].revents & POLLIN) != 0) TakeSignal(signals);
  }

  /// Until the next restart or the end of a stage's patience; -1 for neither.
  int TimeoutMs() const {
    std::optional<TimePoint> next = stage_deadline_;
    for (const auto& slot : slots_) {
      if (slot->restart_at && (!next || *slot->restart_at < *next)) next = slot->restart_at;
    }
    if (!next) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock_.Now());
    return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3'600'000));
  }

  void TakeSignal(int signals) {
    signalfd_siginfo info{};
    if (read(signals, &info, sizeof info) != sizeof info) return;
    if (info.ssi_signo == SIGUSR1) {
      for (auto& slot : slots_) {
        if (slot->child) SendSignal(*slot->child, SIGUSR1);
      }
      return;
    }
    const std::string name = sigabbrev_np(static_cast<int>(info.ssi_signo));
    if (!stopping_) {
      log_.Note("SIG" + name + ": draining for at most " + FormatSeconds(options_.drain) +
                "; a second one kills");
      BeginStop(OkStatus());
      signalled_at_ = clock_.Now();
      return;
    }
    if (signalled_at_ && clock_.Now() - *signalled_at_ < options_.same_signal) return;
    log_.Note("SIG" + name + " again: killing");
    KillAll();
  }

  void Attend(ProcessSlot& slot) {
    if (slot.child) {
      // Asked first, so that nothing is missed of what it said before its end.
      const bool ended = slot.HasEnded();
      slot.ReadOutput(log_);
      if (slot.ReadNotes()) OnReady(slot);
      if (ended) OnEnd(slot);
    }
    if (slot.restart_at && clock_.Now() >= *slot.restart_at) Start(slot);
  }

  void OnReady(ProcessSlot& slot) {
    slot.backoff.OnReady(clock_.Now());
    if (options_.on_ready) options_.on_ready(slot.spec.name, slot.notes);
  }

  void OnEnd(ProcessSlot& slot) {
    const ProcessEnd end = Reap(*slot.child);
    slot.FinishOutput(log_);
    slot.child.reset();
    const std::string what = slot.spec.name + " ended with " + end.Describe();
    if (stopping_) {
      if (!end.exited || end.code != 0) log_.Note(what);
      return;
    }
    const std::optional<Duration> delay = slot.backoff.OnEnd(clock_.Now());
    const bool refuses = end.exited && end.code == kUsageExitCode;
    // One that was ready took another configuration before: the file has been edited since, and the
    // others go on until that is put right.
    if (refuses && !slot.backoff.ever_ready()) {
      GiveUp(FailedPrecondition(what + ": it refuses its configuration or model"));
    } else if (!delay) {
      GiveUp(Aborted(what + ", for the " + std::to_string(slot.backoff.failures()) +
                     ". time without having been ready; its last lines say why"));
    } else {
      log_.Note(what +
                (refuses ? ": it refuses its configuration, which was another one before" : "") +
                "; starting it again in " + FormatSeconds(*delay));
      slot.restart_at = clock_.Now() + *delay;
    }
  }

  void GiveUp(Status why) {
    if (stopping_) return;
    log_.Note("giving up: " + why.message());
    BeginStop(std::move(why));
    // There is nothing to drain for: all stages stop at once.
    while (stage_ < last_stage_) NextStage();
    stage_deadline_ = clock_.Now() + options_.stop;
  }

  void BeginStop(Status outcome) {
    stopping_ = true;
    outcome_ = std::move(outcome);
    for (auto& slot : slots_) slot->restart_at.reset();
    NextStage();
  }

  void NextStage() {
    ++stage_;
    // The processes of the first stage know the time for draining; `stop` is for what comes after.
    stage_deadline_ =
        clock_.Now() + options_.stop + (stage_ == 0 ? options_.drain : Duration::zero());
    for (auto& slot : slots_) {
      if (slot->child && slot->spec.stop_stage == stage_) SendSignal(*slot->child, SIGTERM);
    }
  }

  void AdvanceStop() {
    while (stage_ < last_stage_ && std::ranges::none_of(slots_, [&](const auto& slot) {
             return slot->child.has_value() && slot->spec.stop_stage <= stage_;
           })) {
      NextStage();
    }
    if (!stage_deadline_ || clock_.Now() < *stage_deadline_) return;
    if (killed_) return Abandon();
    log_.Note("out of patience: killing what is left");
    KillAll();
  }

  void KillAll() {
    killed_ = true;
    if (outcome_.ok()) outcome_ = Cancelled("processes were killed before they had drained");
    stage_ = last_stage_;
    stage_deadline_ = clock_.Now() + options_.stop;
    for (auto& slot : slots_) {
      if (slot->child) SendSignal(*slot->child, SIGKILL);
    }
  }

  /// The kernel does not end a killed process, e.g. in a stuck device driver.
  void Abandon() {
    for (auto& slot : slots_) {
      if (!slot->child) continue;
      outcome_ = Internal(slot->spec.name + " (pid " + std::to_string(slot->child->pid) +
                          ") does not end although it was killed");
      log_.Note(outcome_.message());
      slot->child.reset();
    }
  }

  const SupervisorOptions options_;
  Clock& clock_;
  LogOutput log_;
  std::vector<std::unique_ptr<ProcessSlot>> slots_;
  int last_stage_ = 0;
  bool stopping_ = false;
  bool killed_ = false;
  /// The last stage that was told to stop.
  int stage_ = -1;
  std::optional<TimePoint> stage_deadline_;
  /// When the first signal came.
  std::optional<TimePoint> signalled_at_;
  Status outcome_;
};

Supervisor::Supervisor(SupervisorOptions options, std::vector<ProcessSpec> specs, Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(specs), clock)) {}
Supervisor::~Supervisor() = default;

Status Supervisor::Run(int signals) { return impl_->Run(signals); }

int MakeSignalDescriptor() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC);
}

}  // namespace baton::app
