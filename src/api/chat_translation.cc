#include "chat_translation.h"

#include <algorithm>

#include "readers.h"

namespace baton::api {

namespace {

/// Whether `param` is `name` or inside it.
bool IsWithin(std::string_view param, std::string_view name) {
  if (!param.starts_with(name)) return false;
  return param.size() == name.size() || param[name.size()] == '.' || param[name.size()] == '[';
}

/// Takes the text of `part` to that of a chat's part.
std::optional<std::string> TextOf(const Json& part,
                                  std::initializer_list<std::string_view> text_types) {
  const Json text = part.value("text", Json());
  const Json type = part.value("type", Json());
  if (!text.is_string() || !type.is_string()) return std::nullopt;
  const std::string& name = type.get_ref<const std::string&>();
  if (std::find(text_types.begin(), text_types.end(), name) == text_types.end())
    return std::nullopt;
  return text.get<std::string>();
}

void RefusePart(JsonFields& fields, const std::string& param, const Json& part,
                std::initializer_list<std::string_view> text_types) {
  std::string known;
  for (const std::string_view type : text_types)
    known += (known.empty() ? "'" : ", '") + std::string(type) + "'";
  const Json type = part.is_object() ? part.value("type", Json()) : Json();
  std::string message = "'" + fields.Path(param) + "' must be an object of type " + known;
  if (type.is_string()) {
    const std::string& name = type.get_ref<const std::string&>();
    const bool text = std::find(text_types.begin(), text_types.end(), name) != text_types.end();
    message += text ? " with a string 'text'"
                    : ", got the type '" + name + "': only text is supported here";
  }
  fields.Fail(param, std::move(message));
}

}  // namespace

void ChatTranslation::Pass(JsonFields& fields, std::initializer_list<const char*> names) {
  for (const char* name : names) Rename(fields, name, name);
}

void ChatTranslation::Rename(JsonFields& fields, const std::string& own, const std::string& chat) {
  if (own != chat) Call(chat, fields.Path(own));
  if (const Json* field = fields.Find(own)) chat_[chat] = *field;
}

void ChatTranslation::Call(std::string chat, std::string own) {
  names_.emplace_back(std::move(chat), std::move(own));
}

ApiError ChatTranslation::InOwnNames(ApiError error) const {
  const std::pair<std::string, std::string>* best = nullptr;
  for (const auto& name : names_) {
    if (!IsWithin(error.param, name.first)) continue;
    if (best == nullptr || name.first.size() > best->first.size()) best = &name;
  }
  if (best == nullptr) return error;
  const std::string theirs = error.param;
  error.param.replace(0, best->first.size(), best->second);
  const std::string quoted = "'" + theirs + "'";
  for (size_t at = error.message.find(quoted); at != std::string::npos;
       at = error.message.find(quoted, at + error.param.size()))
    error.message.replace(at + 1, theirs.size(), error.param);
  return error;
}

void ChatMessages::Add(Json message, const std::string& param) {
  messages.push_back(std::move(message));
  chat_.Call(Here(), param);
}

std::string RequireString(JsonFields& fields, const std::string& name) {
  std::string value;
  if (fields.Find(name) == nullptr) {
    fields.Fail(name, "'" + fields.Path(name) + "' is missing");
  } else {
    fields.String(name, value);
  }
  return value;
}

Json TranslateText(JsonFields& fields, const std::string& param, const Json& content,
                   std::initializer_list<std::string_view> text_types) {
  if (content.is_string()) return content;
  if (!content.is_array()) {
    fields.FailType(param, "a string or an array of parts", content);
    return {};
  }
  Json parts = Json::array();
  for (size_t i = 0; i < content.size() && !fields.error(); ++i) {
    const Json& part = content[i];
    const std::optional<std::string> text =
        part.is_object() ? TextOf(part, text_types) : std::nullopt;
    if (!text) {
      RefusePart(fields, param + "[" + std::to_string(i) + "]", part, text_types);
      return {};
    }
    parts.push_back({{"type", "text"}, {"text", *text}});
  }
  return parts;
}

std::optional<ApiError> ReadTranslated(JsonFields& fields, const ChatTranslation& chat,
                                       const ServedModel& model, CompletionPlan& plan) {
  if (fields.error()) return fields.error();
  JsonFields translated(chat.chat());
  if (const auto error = ReadChatCompletion(translated, model, plan))
    return chat.InOwnNames(*error);
  CountUnknown(fields, model);
  return std::nullopt;
}

}  // namespace baton::api
