#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "baton/base/ids.h"
#include "baton/base/status.h"

namespace baton {

/// What one sequence may draw next, by its request's grammar. Its state is a function of the
/// grammar and the tokens accepted. *Threads*: one at a time.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  /// False, with nothing changed, for a token that FillMask() does not allow.
  virtual bool Accept(TokenId token) = 0;
  /// Sets the bits of the tokens that may come next and clears all others; token 0 is the lowest
  /// bit of the first word. Tokens that end the output are not among them.
  virtual void FillMask(std::span<uint32_t> words) const = 0;
  /// Whether the output so far is a whole one.
  virtual bool MayEnd() const = 0;
};

/// Makes constraints. *Threads*: thread-safe.
class TokenConstraintFactory {
 public:
  virtual ~TokenConstraintFactory() = default;
  /// *Fails with* InvalidArgument for a text that is no grammar or beyond a limit,
  /// FailedPrecondition where grammars cannot be had.
  virtual Result<std::unique_ptr<TokenConstraint>> Make(const std::string& grammar) = 0;
};

}  // namespace baton
