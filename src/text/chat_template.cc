#include "baton/text/chat_template.h"

#include <map>
#include <optional>

#include "baton/text/utf8.h"
#include "jinja/evaluator.h"
#include "jinja/json_value.h"
#include "jinja/parser.h"
#include "json_place.h"

namespace baton::text {
namespace {

std::string Where(jinja::Position at) {
  return "chat template, line " + std::to_string(at.line) + ", column " +
         std::to_string(at.column) + ": ";
}

Result<jinja::Body> ParseBody(const std::string& source) {
  try {
    return jinja::ParseTemplate(ToValidUtf8(source));
  } catch (const jinja::SyntaxError& error) {
    return InvalidArgument(Where(error.at) + error.what());
  }
}

/// Special tokens by the name that templates use: "bos_token" -> "<s>".
Result<std::map<std::string, std::string>> SpecialTokens(const JsonPlace& config) {
  std::map<std::string, std::string> tokens;
  if (!config.value().is_object()) return tokens;
  for (const auto& [key, value] : config.value().items()) {
    if (!key.ends_with("_token") || key.starts_with("add_")) continue;
    JsonPlace place = config.Get(key);
    if (value.is_object()) place = place.Get("content");
    if (place.is_null()) continue;
    BATON_ASSIGN_OR_RETURN(tokens[key], place.String());
  }
  return tokens;
}

}  // namespace

struct ChatTemplate::Parts {
  jinja::Body main;
  /// For contexts with tools, where the model has such a template.
  std::optional<jinja::Body> with_tools;
  std::map<std::string, std::string> special_tokens;
  /// All of it.
  std::string source;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::Parse(std::string source) {
  auto parts = std::make_unique<Parts>();
  BATON_ASSIGN_OR_RETURN(parts->main, ParseBody(source));
  parts->source = std::move(source);
  return ChatTemplate(std::move(parts));
}

Result<ChatTemplate> ChatTemplate::Load(const std::filesystem::path& model_folder) {
  auto parts = std::make_unique<Parts>();
  const std::filesystem::path config_file = model_folder / "tokenizer_config.json";
  const std::filesystem::path jinja_file = model_folder / "chat_template.jinja";
  nlohmann::json document;
  if (std::filesystem::exists(config_file)) {
    BATON_ASSIGN_OR_RETURN(document, ReadJsonFile(config_file));
  }
  const JsonPlace config(document, config_file.string() + ": ");
  BATON_ASSIGN_OR_RETURN(parts->special_tokens, SpecialTokens(config));

  std::string main;
  std::optional<std::string> with_tools;
  const JsonPlace place = config.Get("chat_template");
  if (std::filesystem::exists(jinja_file)) {
    BATON_ASSIGN_OR_RETURN(main, ReadTextFile(jinja_file));
  } else if (place.value().is_array()) {
    for (size_t i = 0; i < place.value().size(); ++i) {
      BATON_ASSIGN_OR_RETURN(const std::string name, place.At(i).Get("name").String());
      BATON_ASSIGN_OR_RETURN(std::string source, place.At(i).Get("template").String());
      if (name == "default") {
        main = std::move(source);
      } else if (name == "tool_use") {
        with_tools = std::move(source);
      }
    }
    if (main.empty()) return place.Error("has no template named default");
  } else if (place.is_null()) {
    return NotFound("no chat template in " + model_folder.string());
  } else {
    BATON_ASSIGN_OR_RETURN(main, place.String());
  }
  BATON_ASSIGN_OR_RETURN(parts->main, ParseBody(main));
  if (with_tools) {
    BATON_ASSIGN_OR_RETURN(parts->with_tools, ParseBody(*with_tools));
  }
  parts->source = main + '\n' + with_tools.value_or("");
  return ChatTemplate(std::move(parts));
}

bool ChatTemplate::Mentions(std::string_view text) const {
  return parts_->source.find(text) != std::string::npos;
}

Result<std::string> ChatTemplate::Render(std::string_view context_json, int64_t unix_seconds,
                                         const ChatTemplateLimits& limits) const {
  try {
    const jinja::Value given = jinja::ParseJson(context_json);
    if (!given.is_dict()) return InvalidArgument("chat template: the context must be an object");
    jinja::Dict merged = given.dict();
    for (const auto& [name, token] : parts_->special_tokens) {
      if (merged.FindKey(name) == nullptr) merged.Set(jinja::Value(name), jinja::Value(token));
    }
    const jinja::Value* tools = merged.FindKey("tools");
    const bool use_tools = parts_->with_tools && tools != nullptr && tools->truthy();
    const jinja::Body& body = use_tools ? *parts_->with_tools : parts_->main;
    const jinja::Value context = jinja::Value::MakeDict(std::move(merged));

    jinja::Runtime runtime(limits, unix_seconds);
    jinja::Evaluator evaluator(context, runtime);
    try {
      return evaluator.Run(body);
    } catch (const jinja::LimitError& error) {
      return ResourceExhausted(Where(evaluator.at()) + error.what());
    } catch (const jinja::TemplateError& error) {
      return InvalidArgument(Where(evaluator.at()) + error.what());
    }
  } catch (const jinja::LimitError& error) {
    return ResourceExhausted(std::string("chat template: ") + error.what());
  } catch (const jinja::TemplateError& error) {
    return InvalidArgument(std::string("chat template: ") + error.what());
  }
}

}  // namespace baton::text
