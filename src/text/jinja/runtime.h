#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "baton/text/chat_template.h"
#include "value.h"

namespace baton::text::jinja {

class Namespace;

/// What one rendering has used, and what its built-ins need to know.
class Runtime {
 public:
  Runtime(const ChatTemplateLimits& limits, int64_t unix_seconds)
      : limits_(limits), unix_seconds_(unix_seconds) {}
  /// Namespaces may hold one another in circles and in long chains: they are kept until here, and
  /// emptied one by one.
  ~Runtime();

  int64_t unix_seconds() const { return unix_seconds_; }
  const ChatTemplateLimits& limits() const { return limits_; }

  /// *Throw* LimitError when the rendering has used up its steps. Making text or lists costs by
  /// size.
  void Step(int64_t steps = 1) {
    steps_ += steps;
    if (steps_ > limits_.steps) throw LimitError("the template takes too many steps");
  }
  void Charge(size_t bytes) { Step(static_cast<int64_t>(bytes / 64)); }

  /// One level deeper until it goes out of scope.
  class Depth {
   public:
    explicit Depth(Runtime& runtime) : runtime_(runtime) {
      if (++runtime_.depth_ > runtime_.limits_.depth) {
        --runtime_.depth_;
        throw LimitError("the template nests or recurses too deeply");
      }
    }
    ~Depth() { --runtime_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    Runtime& runtime_;
  };

  void Keep(std::shared_ptr<Namespace> space) {
    Step(20);
    namespaces_.push_back(std::move(space));
  }

 private:
  const ChatTemplateLimits limits_;
  const int64_t unix_seconds_;
  int64_t steps_ = 0;
  int depth_ = 0;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace baton::text::jinja
