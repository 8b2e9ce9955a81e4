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
  /// A null place gives the identity. *Fails with* Unimplemented naming the kind.
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

  std::vector<Step> steps_;
};

}  // namespace baton::text
