#include "process_slot.h"

#include <array>
#include <cerrno>

#include <poll.h>
#include <unistd.h>

namespace baton::app {
namespace {

/// What can be read without waiting; at most a few buffers, so that one chatty process does not
/// keep the others waiting. Closes the descriptor at the end of the stream.
template <typename Take>
void ReadSome(FileDescriptor& fd, const Take& take) {
  constexpr int kReads = 16;
  std::array<char, 16 << 10> buffer;
  for (int i = 0; i < kReads && fd.open(); ++i) {
    const ssize_t bytes = read(fd.get(), buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return;
    if (bytes == 0) return fd.Close();
    take(std::string_view(buffer.data(), static_cast<size_t>(bytes)));
  }
}

}  // namespace

void ProcessSlot::ReadOutput(LogOutput& log) {
  const auto write = [&](std::string_view line) { log.Write(spec.name, line); };
  ReadSome(child->output, [&](std::string_view bytes) { output_lines_.Append(bytes, write); });
}

void ProcessSlot::FinishOutput(LogOutput& log) {
  ReadOutput(log);
  output_lines_.Finish([&](std::string_view line) { log.Write(spec.name, line); });
}

bool ProcessSlot::ReadNotes() {
  bool ready = false;
  const auto take = [&](std::string_view line) {
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return;
    notes[std::string(line.substr(0, equals))] = line.substr(equals + 1);
    if (line == "READY=1") ready = true;
  };
  ReadSome(child->notes, [&](std::string_view bytes) { note_lines_.Append(bytes, take); });
  return ready;
}

bool ProcessSlot::HasEnded() const {
  pollfd ended{child->pidfd.get(), POLLIN, 0};
  return poll(&ended, 1, 0) == 1;
}

}  // namespace baton::app
