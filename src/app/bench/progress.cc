#include "progress.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include <sys/ioctl.h>
#include <unistd.h>

namespace baton::app {
namespace {

constexpr Duration kTerminalPeriod = std::chrono::milliseconds(100);
constexpr Duration kLinePeriod = std::chrono::seconds(5);
constexpr int kColumns = 100;
constexpr int kBarCells = 24;

int TerminalColumns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kColumns;
}

/// How much is done, from 0 to 1; negative where nobody can say.
double PartDone(const loadgen::LoadProgress& progress) {
  if (progress.requests > 0) {
    return static_cast<double>(progress.ended) / static_cast<double>(progress.requests);
  }
  if (progress.duration <= Duration::zero()) return -1;
  return std::min(1.0, Seconds(progress.elapsed) / Seconds(progress.duration));
}

/// Of eighths of a cell: "████▌     ".
std::string Bar(double part) {
  static constexpr std::array<const char*, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(part * kBarCells * 8);
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  const int rest = eighths % 8;
  bar += kEighths[static_cast<size_t>(rest)];
  const int cells = eighths / 8 + (rest > 0 ? 1 : 0);
  return bar + std::string(static_cast<size_t>(std::max(kBarCells - cells, 0)), ' ');
}

}  // namespace

std::string ProgressLine(const loadgen::LoadProgress& progress, int columns) {
  std::array<char, 256> text;
  const double part = PartDone(progress);
  const std::string all = progress.requests > 0 ? "/" + std::to_string(progress.requests) : "";
  const double elapsed_s = std::max(Seconds(progress.elapsed), 1e-3);
  const int length = std::snprintf(text.data(), text.size(),
                                   "%ld%s done, %ld running, %ld failed, %.0f pieces/s, %.0f s",
                                   progress.ended, all.c_str(), progress.running, progress.failed,
                                   static_cast<double>(progress.pieces) / elapsed_s, elapsed_s);
  const bool room = columns >= length + kBarCells + 5;
  return part >= 0 && room ? "▕" + Bar(part) + "▏ " + text.data() : text.data();
}

ProgressDisplay::ProgressDisplay(Clock& clock, bool quiet)
    : clock_(clock), quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1), next_(clock.Now()) {}

void ProgressDisplay::Begin(const std::string& title) {
  Clear();
  if (!quiet_) std::fprintf(stderr, "%s\n", title.c_str());
  next_ = clock_.Now() + (terminal_ ? Duration::zero() : kLinePeriod);
}

void ProgressDisplay::Show(const loadgen::LoadProgress& progress) {
  const TimePoint now = clock_.Now();
  if (quiet_ || now < next_) return;
  next_ = now + (terminal_ ? kTerminalPeriod : kLinePeriod);
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", ProgressLine(progress, TerminalColumns()).c_str());
    shown_ = true;
  } else {
    // No bar: lines go to logs.
    std::fprintf(stderr, "%s\n", ProgressLine(progress, 0).c_str());
  }
}

void ProgressDisplay::Clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

}  // namespace baton::app
