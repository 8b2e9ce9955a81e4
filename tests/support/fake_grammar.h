#pragma once

#include <string>
#include <vector>

#include "baton/request/token_constraint.h"

namespace baton::testing_support {

/// Grammars over token ids, "LEAST MOST SHARE": outputs of LEAST to MOST tokens, of which each next
/// one must be one of some 1 / SHARE of the vocabulary, which depends on all tokens before it: who
/// forgets one draws others. MOST -1 leaves nothing to draw behind LEAST tokens, not even an end.
class FakeGrammars final : public TokenConstraintFactory {
 public:
  Result<std::unique_ptr<TokenConstraint>> Make(const std::string& grammar) override;
};

/// Whether `tokens` without an end is an output that `grammar` allows.
bool Allows(const std::string& grammar, const std::vector<TokenId>& tokens);

}  // namespace baton::testing_support
