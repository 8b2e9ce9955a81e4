#include "baton/config/edit.h"

#include "schema.h"

namespace baton::config {

std::vector<Change> ChangesBetween(const Loaded& in_force, const Loaded& edited) {
  std::vector<Change> changes;
  for (size_t i = 0; i < Keys().size(); ++i) {
    const Setting& from = in_force.settings[i];
    const Setting& to = edited.settings[i];
    if (from.value == to.value) continue;
    changes.push_back({.path = from.path,
                       .from = from.value,
                       .to = to.value,
                       .where = to.where,
                       .live = Keys()[i].live});
  }
  return changes;
}

Status CheckLive(const Loaded& in_force, const Loaded& edited) {
  std::string text;
  for (const Change& change : ChangesBetween(in_force, edited)) {
    if (change.live) continue;
    text += (text.empty() ? "" : "\n") + change.where + ": " + change.path +
            " needs a restart: it is " + change.from + " and would be " + change.to;
  }
  const int32_t workers = in_force.config.workers.total();
  const int32_t wanted = edited.config.workers.total();
  if (workers != wanted) {
    text += (text.empty() ? "" : "\n") +
            ("workers.*.count needs a restart: there are " + std::to_string(workers) +
             " workers and would be " + std::to_string(wanted) +
             "; only their roles change while they run");
  }
  return text.empty() ? OkStatus() : FailedPrecondition(text);
}

std::string DescribeChanges(const std::vector<Change>& changes) {
  std::string text;
  for (const Change& change : changes) {
    text += (text.empty() ? "" : "; ") + change.path + " is " + change.to + ", was " + change.from;
  }
  return text;
}

}  // namespace baton::config
