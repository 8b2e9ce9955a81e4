#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "baton/base/ids.h"
#include "baton/grammar/grammar.h"
#include "baton/grammar/vocabulary.h"

namespace baton::grammar {

/// Where one sequence stands in a grammar. Its state is a function of the grammar and the tokens
/// accepted, wherever and in whatever company it is computed: who replays the tokens of another
/// matcher gets the same masks. Copies go their own ways.
/// *Threads*: one thread at a time; matchers of one grammar may be used on several at once.
class Matcher {
 public:
  Matcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const Vocabulary> vocabulary);
  Matcher(const Matcher& other);
  Matcher& operator=(const Matcher& other);
  Matcher(Matcher&& other) noexcept;
  Matcher& operator=(Matcher&& other) noexcept;
  ~Matcher();

  /// False, with nothing changed, for a token that the mask does not allow. A token that ends the
  /// text is accepted where the text may end, and nothing but such a token after it.
  [[nodiscard]] bool Accept(TokenId token);
  /// The same for bytes, however tokens would divide them.
  [[nodiscard]] bool AcceptBytes(std::string_view bytes);

  /// Sets the bits of the tokens allowed next and clears all others, also those beyond the
  /// vocabulary. REQUIRES: at least mask_words() words.
  /// *Cost*: README.md; a state that any sequence has been in before costs a copy.
  void FillMask(std::span<uint32_t> words) const;

  /// Whether the text so far is a whole one: the tokens that end it are allowed.
  bool MayEnd() const;
  /// Whether nothing but the end is left: the text is whole and no byte may follow.
  bool IsComplete() const;
  /// The bytes that must come next, whatever the tokens: empty where there is a choice.
  std::string ForcedBytes(size_t max_bytes) const;

 private:
  class Position;
  std::unique_ptr<Position> position_;
};

}  // namespace baton::grammar
