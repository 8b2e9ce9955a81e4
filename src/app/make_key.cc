#include <cstdio>

#include "baton/access/key_file.h"
#include "baton/app/commands.h"

namespace baton::app {

int RunKey(const CommandLine& command) {
  const KeyFlags& flags = command.key;
  const std::string key = access::MakeKey();
  const Result<std::string> line =
      access::KeyLine({.digest = access::Sha256(key),
                       .name = flags.name,
                       .tenant = flags.tenant,
                       .limits = {.requests_at_once = flags.requests_at_once,
                                  .requests_per_minute = flags.requests_per_minute,
                                  .highest_priority = flags.highest_priority}});
  if (!line.ok()) {
    std::fprintf(stderr, "baton: %s\n", line.status().message().c_str());
    return kExitUsage;
  }
  // Apart, so that the line can be appended to a file while the key is read off a screen.
  std::printf("%s\n", line->c_str());
  std::fprintf(stderr, "The key of %s, shown this once: %s\n", flags.name.c_str(), key.c_str());
  return kExitOk;
}

}  // namespace baton::app
