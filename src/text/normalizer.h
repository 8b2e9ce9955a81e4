#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "baton/base/status.h"
#include "json_place.h"
#include "unicode.h"

namespace baton::text {

/// What is done to text before it is split. *Threads*: immutable.
class Normalizer {
 public:
  /// A null place gives the identity. *Fails with* Unimplemented naming the kind; InvalidArgument
  /// when the steps together could blow a text up.
  static Result<Normalizer> FromJson(const JsonPlace& place);

  bool identity() const { return steps_.empty(); }
  std::string Apply(std::string_view text) const;

 private:
  struct Prepend {
    std::string prefix;
  };
  struct Replace {
    std::string from;
    std::string to;
  };
  using Step = std::variant<NormalForm, Prepend, Replace>;

  Status Add(const JsonPlace& place);
  /// Adds a step that makes a text at most so many times as long.
  Status AddStep(const JsonPlace& place, Step step, size_t growth);

  std::vector<Step> steps_;
  /// Of all steps together.
  size_t growth_ = 1;
};

}  // namespace baton::text
