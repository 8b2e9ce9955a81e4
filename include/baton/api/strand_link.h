#pragma once

#include <functional>

namespace baton::api {

/// Runs work on the strand of one connection. *Threads*: thread-safe. Work for a connection that is
/// gone is dropped.
class StrandLink {
 public:
  virtual ~StrandLink() = default;
  virtual void Post(std::function<void()> work) = 0;
};

}  // namespace baton::api
