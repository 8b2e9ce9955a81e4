#include "baton/app/config_watch.h"

#include <utility>

namespace baton::app {
namespace {

std::vector<std::string> FilesOf(const config::Sources& sources) {
  if (sources.file.empty()) return {};
  return {sources.file};
}

}  // namespace

ConfigWatch::ConfigWatch(config::Sources sources, config::Loaded in_force, const Clock& clock)
    : sources_(std::move(sources)),
      in_force_(std::move(in_force)),
      clock_(clock),
      watch_(FilesOf(sources_), Duration::zero(), clock) {
  if (!sources_.file.empty()) due_ = clock.Now() + kInterval;
}

std::optional<Result<config::Loaded>> ConfigWatch::Look() {
  const TimePoint now = clock_.Now();
  if (watch_.Changed()) {
    due_ = now + kInterval;
    return std::nullopt;
  }
  if (!due_ || now < *due_) return std::nullopt;
  due_.reset();
  Result<config::Loaded> edited = config::LoadConfig(sources_);
  if (!edited.ok()) return edited;
  if (config::ChangesBetween(in_force_, *edited).empty()) return std::nullopt;
  if (Status status = config::CheckLive(in_force_, *edited); !status.ok()) return status;
  return edited;
}

}  // namespace baton::app
