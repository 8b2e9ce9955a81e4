#pragma once

#include <map>
#include <optional>
#include <string>

#include "baton/app/backoff.h"
#include "baton/app/child_process.h"
#include "baton/app/line_splitter.h"
#include "baton/app/log_output.h"
#include "baton/app/supervisor.h"

namespace baton::app {

/// One process to keep running: what it is, and its current incarnation if there is one.
class ProcessSlot {
 public:
  ProcessSlot(ProcessSpec process, const config::Restart& restart)
      : spec(std::move(process)), backoff(restart) {}

  /// Hands what the process wrote to the log; takes what is there without waiting.
  void ReadOutput(LogOutput& log);
  /// The same for good: the process has ended.
  void FinishOutput(LogOutput& log);
  /// True when the process reported itself ready since the last call.
  bool ReadNotes();
  bool HasEnded() const;

  const ProcessSpec spec;
  Backoff backoff;
  std::optional<ChildProcess> child;
  std::optional<TimePoint> restart_at;
  /// Variables that the process reported.
  std::map<std::string, std::string> notes;

 private:
  LineSplitter output_lines_;
  LineSplitter note_lines_;
};

}  // namespace baton::app
