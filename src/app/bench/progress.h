#pragma once

#include <string>

#include "baton/base/clock.h"
#include "baton/loadgen/load_run.h"

namespace baton::app {

/// One line about a load: a bar where its end is known, and what runs.
std::string ProgressLine(const loadgen::LoadProgress& progress, int columns);

/// Shows on standard error how a load goes: a line that changes on a terminal, else a new line
/// every few seconds.
class ProgressDisplay {
 public:
  ProgressDisplay(Clock& clock, bool quiet);
  ~ProgressDisplay() { Clear(); }

  /// What the following is about, e.g. "3.5 requests/s"; a line of its own.
  void Begin(const std::string& title);
  void Show(const loadgen::LoadProgress& progress);
  /// Takes the changing line away, so that others may be written.
  void Clear();

 private:
  Clock& clock_;
  const bool quiet_;
  const bool terminal_;
  TimePoint next_;
  bool shown_ = false;
};

}  // namespace baton::app
