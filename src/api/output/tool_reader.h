#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "baton/api/output_reader.h"
#include "call_object.h"
#include "json_extent.h"

namespace baton::api {

/// The id of an output's call: a function of its arguments. Mistral's templates take nine letters
/// or digits and nothing else.
std::string CallId(ToolFormat format, uint64_t seed, int index);

/// Parts text into calls of tools and the rest. White space that touches a call is dropped.
/// *Threads*: lives on one thread.
class ToolReader {
 public:
  /// REQUIRES: a format other than kNone.
  explicit ToolReader(const OutputReading& reading);

  void SeedCallIds(uint64_t seed) { seed_ = seed; }
  void Push(std::string_view text, ChoiceDelta& delta);
  void Finish(ChoiceDelta& delta);

  int calls() const { return calls_; }
  int broken_calls() const { return broken_; }
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State : uint8_t {
    /// Before anything but white space, where an object may begin that nothing marks.
    kLead,
    kText,
    /// Behind the marker that announces calls.
    kMarked,
    /// A further call of the same list must begin.
    kNext,
    kObject,
    /// Mistral's other form: name[CALL_ID]id[ARGS]{...}, all in brackets optional.
    kBareName,
    kBareTag,
    kBareId,
    kBareOpen,
    kBareArguments,
    /// Behind a call.
    kBetween,
    kDone,
  };

  /// Passes text on up to a marker; gives what follows it.
  std::string_view PushText(std::string_view text, ChoiceDelta& delta);
  /// These are false when `c` belongs to what comes next, in the state that is now.
  bool PushByte(char c, ChoiceDelta& delta);
  bool OnLead(char c);
  bool OnMarked(char c, ChoiceDelta& delta);
  bool OnNext(char c, ChoiceDelta& delta);
  bool OnObject(char c, ChoiceDelta& delta);
  bool OnBareName(char c, ChoiceDelta& delta);
  bool OnBareTag(char c, ChoiceDelta& delta);
  bool OnBareOpen(char c, ChoiceDelta& delta);
  bool OnBareArguments(char c, ChoiceDelta& delta);
  bool OnBetween(char c);
  bool OnClosingTag(char c);

  bool BeginObject(char c, ChoiceDelta& delta);
  bool BeginBareArguments(ChoiceDelta& delta);
  /// False when the call cannot be one.
  bool Announce(const std::string& name, ChoiceDelta& delta);
  void Arguments(std::string_view text, ChoiceDelta& delta);
  void EndCall();
  /// What was held back for a call is text.
  void GiveUp(ChoiceDelta& delta);
  void Text(std::string_view text, ChoiceDelta& delta);
  bool Hold(char c, ChoiceDelta& delta);

  ToolFormat format_;
  std::vector<std::string> tool_names_;
  bool one_call_;
  uint64_t seed_ = 0;

  State state_;
  /// Something says that a call comes, or came.
  bool marked_ = false;
  bool in_list_ = false;
  bool announced_ = false;
  bool behind_call_ = false;
  int calls_ = 0;
  int broken_ = 0;
  /// In text: what may begin a marker; else what is text unless a call comes of it.
  std::string held_;
  /// White space behind the text that was passed on: dropped if a call follows.
  std::string space_;
  CallObject object_{false};
  JsonExtent extent_;
  std::string bare_name_;
  std::string bare_tag_;
};

}  // namespace baton::api
