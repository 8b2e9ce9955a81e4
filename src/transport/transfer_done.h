#pragma once

#include "baton/transport/transport.h"

namespace baton::transport {

/// A transfer that has ended, well or not.
struct TransferDone {
  TransferId transfer{};
  Status status;
};

}  // namespace baton::transport
