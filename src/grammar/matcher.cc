#include "baton/grammar/matcher.h"

#include <algorithm>
#include <utility>

#include "baton/base/check.h"
#include "grammar_parts.h"

namespace baton::grammar {

/// A configuration, and what it is a configuration of. Only under the grammar's mutex.
class Matcher::Position {
 public:
  Position(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const Vocabulary> vocabulary)
      : grammar_(std::move(grammar)) {
    const std::lock_guard lock(mutex());
    std::shared_ptr<Learnt>& current = grammar_->parts().learnt;
    if (current == nullptr || current->vocabulary != vocabulary) {
      current = std::make_shared<Learnt>(grammar_->parts().automaton, std::move(vocabulary));
    }
    learnt_ = current;
    configuration_ = learnt_->places.Start();
  }

  std::mutex& mutex() const { return grammar_->parts().mutex; }
  const Vocabulary& vocabulary() const { return *learnt_->vocabulary; }

  /// The configurations, renewed where too many were learnt.
  Configurations& places() {
    Renew();
    return learnt_->places;
  }
  std::shared_ptr<const Mask> mask() {
    Renew();
    return learnt_->masks.MaskOf(configuration_);
  }

  int32_t configuration() const { return configuration_; }
  bool may_end() const { return learnt_->places.may_end(configuration_); }
  bool has_stacks() const { return !learnt_->places.items(configuration_).empty(); }
  bool ended() const { return ended_; }

  void MoveTo(int32_t configuration) { configuration_ = configuration; }
  void End() { ended_ = true; }

  /// Where `bytes` lead from here; kDead where they are not allowed.
  int32_t After(std::string_view bytes) {
    Configurations& all = places();
    int32_t at = configuration_;
    for (const char byte : bytes) at = all.Next(at, static_cast<uint8_t>(byte));
    return at;
  }

 private:
  void Renew() {
    std::shared_ptr<Learnt>& current = grammar_->parts().learnt;
    if (current->vocabulary != learnt_->vocabulary) return;
    if (current->MemoryBytes() > Grammar::Parts::kMaxLearntBytes) {
      current = std::make_shared<Learnt>(grammar_->parts().automaton, learnt_->vocabulary);
    }
    if (current == learnt_) return;
    configuration_ = learnt_->places.CopyTo(current->places, configuration_);
    learnt_ = current;
  }

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<Learnt> learnt_;
  int32_t configuration_ = Configurations::kDead;
  bool ended_ = false;
};

Matcher::Matcher(std::shared_ptr<const Grammar> grammar,
                 std::shared_ptr<const Vocabulary> vocabulary)
    : position_(std::make_unique<Position>(std::move(grammar), std::move(vocabulary))) {}
Matcher::Matcher(const Matcher& other) : position_(std::make_unique<Position>(*other.position_)) {}
Matcher& Matcher::operator=(const Matcher& other) {
  *position_ = *other.position_;
  return *this;
}
Matcher::Matcher(Matcher&& other) noexcept = default;
Matcher& Matcher::operator=(Matcher&& other) noexcept = default;
Matcher::~Matcher() = default;

bool Matcher::Accept(TokenId token) {
  const std::lock_guard lock(position_->mutex());
  if (position_->vocabulary().IsEnd(token)) {
    if (!position_->may_end()) return false;
    position_->End();
    return true;
  }
  const std::string& bytes = position_->vocabulary().bytes(token);
  if (bytes.empty() || position_->ended()) return false;
  const int32_t after = position_->After(bytes);
  if (Configurations::IsDead(after)) return false;
  position_->MoveTo(after);
  return true;
}

bool Matcher::AcceptBytes(std::string_view bytes) {
  const std::lock_guard lock(position_->mutex());
  if (position_->ended()) return bytes.empty();
  const int32_t after = position_->After(bytes);
  if (Configurations::IsDead(after)) return false;
  position_->MoveTo(after);
  return true;
}

void Matcher::FillMask(std::span<uint32_t> words) const {
  std::shared_ptr<const Mask> mask;
  {
    const std::lock_guard lock(position_->mutex());
    BATON_CHECK(words.size() >= position_->vocabulary().mask_words());
    if (!position_->ended()) mask = position_->mask();
  }
  const size_t filled = mask == nullptr ? 0 : mask->size();
  if (mask != nullptr) std::copy(mask->begin(), mask->end(), words.begin());
  std::fill(words.begin() + static_cast<ptrdiff_t>(filled), words.end(), 0);
  if (mask != nullptr) return;
  for (const TokenId end : position_->vocabulary().ends()) {
    words[static_cast<size_t>(end) / 32] |= uint32_t{1} << (static_cast<uint32_t>(end) % 32);
  }
}

bool Matcher::MayEnd() const {
  const std::lock_guard lock(position_->mutex());
  return position_->may_end();
}

bool Matcher::IsComplete() const {
  const std::lock_guard lock(position_->mutex());
  return position_->may_end() && (position_->ended() || !position_->has_stacks());
}

std::string Matcher::ForcedBytes(size_t max_bytes) const {
  const std::lock_guard lock(position_->mutex());
  Configurations& places = position_->places();
  std::string forced;
  int32_t at = position_->configuration();
  while (!position_->ended() && forced.size() < max_bytes && !places.may_end(at)) {
    int choices = 0;
    uint8_t only = 0;
    for (int byte = 0; byte < 256 && choices < 2; ++byte) {
      if (Configurations::IsDead(places.Next(at, static_cast<uint8_t>(byte)))) continue;
      only = static_cast<uint8_t>(byte);
      ++choices;
    }
    if (choices != 1) break;
    forced += static_cast<char>(only);
    at = places.Next(at, only);
  }
  return forced;
}

}  // namespace baton::grammar
