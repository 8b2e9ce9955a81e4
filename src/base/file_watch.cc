#include "baton/base/file_watch.h"

#include <utility>

#include <sys/stat.h>

namespace baton {

FileWatch::FileWatch(std::vector<std::string> files, Duration interval, const Clock& clock)
    : files_(std::move(files)),
      interval_(interval),
      clock_(clock),
      looks_(files_.size()),
      next_(clock.Now() + interval) {
  for (size_t i = 0; i < files_.size(); ++i) LookAt(files_[i], looks_[i]);
}

void FileWatch::LookAt(const std::string& file, Look& look) {
  struct stat found {};
  if (stat(file.c_str(), &found) != 0) return;
  look = {.device = found.st_dev,
          .inode = found.st_ino,
          .bytes = found.st_size,
          .modified_ns = found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
}

bool FileWatch::Changed() {
  const TimePoint now = clock_.Now();
  if (now < next_) return false;
  next_ = now + interval_;
  bool changed = false;
  for (size_t i = 0; i < files_.size(); ++i) {
    Look look = looks_[i];
    LookAt(files_[i], look);
    changed |= !(std::exchange(looks_[i], look) == look);
  }
  return changed;
}

}  // namespace baton
