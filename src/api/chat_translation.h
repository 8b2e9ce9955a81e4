#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json_fields.h"

namespace baton::api {

/// The request for a chat completion that one in another form amounts to, and what the parts of the
/// one are called in the other.
class ChatTranslation {
 public:
  Json& operator[](const std::string& name) { return chat_[name]; }
  const Json& chat() const { return chat_; }

  /// Takes fields over that both forms have, and marks them as known.
  void Pass(JsonFields& fields, std::initializer_list<const char*> names);
  /// As Pass, under another name there.
  void Rename(JsonFields& fields, const std::string& own, const std::string& chat);
  /// `chat` and all inside it are called `own` in the other form.
  void Call(std::string chat, std::string own);

  /// `error` of reading the chat completion, as the other form has it.
  ApiError InOwnNames(ApiError error) const;

 private:
  Json chat_ = Json::object();
  std::vector<std::pair<std::string, std::string>> names_;
};

/// Makes the messages of the chat, each called after the part of the other form that it comes from.
class ChatMessages {
 public:
  /// REQUIRES: both outlive this.
  ChatMessages(JsonFields& fields, ChatTranslation& chat) : fields_(fields), chat_(chat) {}

  Json messages = Json::array();

 protected:
  /// `param`: what the message is called in the other form.
  void Add(Json message, const std::string& param);
  /// What the last message is called in the chat.
  std::string Here() const { return "messages[" + std::to_string(messages.size() - 1) + "]"; }

  JsonFields& fields_;
  ChatTranslation& chat_;
};

/// The string under `name`. Fails where there is none.
std::string RequireString(JsonFields& fields, const std::string& name);

/// The text of `content`, the value of `param`: a string, or an array of parts whose "type" is one
/// of `text_types` and whose text stands under "text". Fails on parts of other types by name.
Json TranslateText(JsonFields& fields, const std::string& param, const Json& content,
                   std::initializer_list<std::string_view> text_types);

}  // namespace baton::api
