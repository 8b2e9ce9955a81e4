#pragma once

#include <memory>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/discovery/source.h"

namespace baton::discovery {

struct DnsOptions {
  /// "host:port" for all addresses of a host, "_service._proto.domain" for an SRV record.
  std::vector<std::string> names;
  /// The least time between two questions; beyond it, a name's time to live decides.
  Duration interval = std::chrono::seconds(2);
  /// "address:port" of whom to ask; empty: those of /etc/resolv.conf.
  std::string server;
};

/// Finds workers at the addresses of names, which say themselves who they are. A resolver that does
/// not answer changes nothing; that a name has no address any more is believed once it has been so
/// for 30 s. Fails with InvalidArgument for a wrong name or server.
Result<std::unique_ptr<Source>> DnsSource(const DnsOptions& options, const Clock& clock);

}  // namespace baton::discovery
