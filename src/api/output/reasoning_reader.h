#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::api {

/// Parts text into <think>...</think> at its beginning and the rest. Line breaks next to the tags
/// are dropped, as templates do with earlier messages. *Threads*: lives on one thread.
class ReasoningReader {
 public:
  explicit ReasoningReader(bool begins_inside) : begins_inside_(begins_inside) {}

  /// Appends to `reasoning` what became certain of it; gives the text that is none.
  std::string Push(std::string_view text, std::string& reasoning);
  std::string Finish(std::string& reasoning);

  bool inside() const {
    return state_ == State::kInside || (state_ == State::kLead && begins_inside_);
  }

 private:
  /// kLead: a tag may come. kBehind: line breaks may follow the end.
  enum class State : uint8_t { kLead, kInside, kBehind, kRest };

  void Lead();
  void Inside(std::string& reasoning);
  void Reason(std::string_view text, std::string& reasoning);

  bool begins_inside_;
  State state_ = State::kLead;
  /// Text that is not given yet.
  std::string held_;
  /// Reasoning has been given: its line breaks count.
  bool reasoned_ = false;
  /// Line breaks behind the reasoning that was given.
  std::string breaks_;
};

}  // namespace baton::api
