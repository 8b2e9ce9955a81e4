#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "baton/base/ids.h"
#include "baton/base/status.h"
#include "json_place.h"
#include "normalizer.h"

namespace baton::text {

struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;
  /// Sought in the normalized text rather than in the text as it came.
  bool normalized = false;
  /// Only where no word character touches it.
  bool single_word = false;
  /// Takes the white space before, after it.
  bool lstrip = false;
  bool rstrip = false;
};

Result<std::vector<AddedToken>> AddedTokensFromJson(const JsonPlace& place);

/// A stretch of text, or an added token found in it.
struct Segment {
  std::string_view text;
  /// Null for plain text.
  const AddedToken* token = nullptr;
};

/// Finds tokens that the merges must not take apart: the leftmost, there the longest.
/// *Threads*: immutable. *Ownership*: the tokens given outlive this.
class AddedTokenFinder {
 public:
  /// Seeks `token.content` as `written` spells it.
  void Add(const AddedToken& token, std::string_view written);

  /// The whole of `text`, in order. Special tokens are passed over unless `parse_special`.
  std::vector<Segment> Split(std::string_view text, bool parse_special) const;

 private:
  struct Node {
    std::unordered_map<uint8_t, int> next;
    const AddedToken* token = nullptr;
  };
  /// The longest token at the start of `text`, and its length there.
  const AddedToken* Longest(std::string_view text, size_t* length) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<bool, 256> begins_{};
};

}  // namespace baton::text
