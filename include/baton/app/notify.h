#pragma once

#include <string>

namespace baton::app {

/// The variable that names the descriptor on which a process that `baton serve` started reports.
inline constexpr char kNotifyVariable[] = "BATON_NOTIFY_FD";

/// Says that this process is ready, and where: lines "URL=http://127.0.0.1:8000" and "READY=1".
/// Does nothing where nobody listens.
void NotifyReady(const std::string& url);

/// True in a process that `baton serve` started.
bool IsSupervised();

}  // namespace baton::app
