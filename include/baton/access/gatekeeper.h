#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baton/access/caller.h"
#include "baton/access/key_file.h"
#include "baton/base/file_watch.h"
#include "baton/base/status.h"

namespace baton::access {

/// Knows the holders of API keys. The file is read again once it has changed; one that cannot be
/// read leaves the keys as they are, and is logged.
/// *Threads*: thread-safe; a mutex, as a caller waits for the answer.
class Gatekeeper {
 public:
  /// *Fails with* InvalidArgument for a file that cannot be read. REQUIRES: `clock` outlives this.
  static Result<std::unique_ptr<Gatekeeper>> Open(const std::string& file, const Clock& clock);

  /// Who holds `key`; nobody for one that is unknown. Takes equally long for every unknown key.
  std::optional<Caller> Identify(std::string_view key);

  const Clock& clock() const { return clock_; }

 private:
  struct Holder {
    ApiKey key;
    std::shared_ptr<KeyUse> use;
  };

  Gatekeeper(const std::string& file, const Clock& clock);
  Status ReadLocked();

  const std::string file_;
  const Clock& clock_;
  std::mutex mutex_;
  FileWatch watch_;
  std::vector<Holder> holders_;
  std::string salt_secret_;
};

}  // namespace baton::access
