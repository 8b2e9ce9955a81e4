#include "constraint_fields.h"

#include <string>
#include <utility>
#include <vector>

#include "baton/grammar/sources.h"

namespace baton::api {

namespace {

/// Takes what one field asks for.
class ConstraintReader {
 public:
  ConstraintReader(JsonFields& fields, const ServedModel& model, CompletionPlan& plan)
      : fields_(fields), model_(model), plan_(plan) {}

  void Grammar(const std::string& param, const Json& value) {
    if (!value.is_string()) return fields_.FailType(param, "a string", value);
    Take(param, value.get<std::string>());
  }
  void Regex(const std::string& param, const Json& value) {
    if (!value.is_string()) return fields_.FailType(param, "a string", value);
    Take(param, grammar::FromRegex(value.get<std::string>()));
  }
  void Choices(const std::string& param, const Json& value) {
    if (!value.is_array()) return fields_.FailType(param, "an array of strings", value);
    std::vector<std::string> choices;
    for (const Json& item : value) {
      if (!item.is_string()) return fields_.FailType(param, "an array of strings", item);
      choices.push_back(item.get<std::string>());
    }
    Take(param, grammar::FromChoices(choices));
  }
  void Schema(const std::string& param, const Json& value) {
    // The order of its properties is the order of the output's.
    if (value.is_string()) return Take(param, grammar::FromJsonSchema(value.get<std::string>()));
    Take(param, grammar::FromJsonSchema(value.dump()));
  }
  void AnyObject(const std::string& param) { Take(param, grammar::JsonObject()); }

 private:
  void Take(const std::string& param, Result<std::string> text) {
    if (fields_.error()) return;
    if (!taken_.empty())
      return fields_.Fail(param, "'" + param + "' cannot be combined with '" + taken_ + "'");
    taken_ = param;
    // Workers would refuse it too, but later and with less to say.
    if (text.ok()) {
      if (const auto compiled = model_.grammars.Get(*text); !compiled.ok())
        text = compiled.status();
    }
    if (!text.ok())
      return fields_.Fail(param, "'" + param + "': " + std::string(text.status().message()));
    plan_.grammar = *std::move(text);
  }

  JsonFields& fields_;
  const ServedModel& model_;
  CompletionPlan& plan_;
  std::string taken_;
};

void ReadResponseFormat(JsonFields& fields, ConstraintReader& reader) {
  const Json* format = fields.Find("response_format");
  if (format == nullptr) return;
  if (!format->is_object()) return fields.FailType("response_format", "an object", *format);
  const Json type = format->value("type", Json());
  if (type == "text") return;
  if (type == "json_object") return reader.AnyObject("response_format");
  if (type != "json_schema")
    return fields.Fail("response_format.type",
                       "'response_format.type' must be text, json_object or json_schema");
  const auto schema = format->find("json_schema");
  if (schema == format->end() || !schema->is_object() || !schema->contains("schema"))
    return fields.Fail("response_format.json_schema",
                       "'response_format.json_schema' must be an object with a 'schema'");
  reader.Schema("response_format.json_schema.schema", (*schema)["schema"]);
}

/// {"json": ..., "regex": ..., "choice": ..., "grammar": ..., "json_object": true}
void ReadStructuredOutputs(JsonFields& fields, ConstraintReader& reader) {
  const Json* object = fields.Find("structured_outputs");
  if (object == nullptr) return;
  if (!object->is_object()) return fields.FailType("structured_outputs", "an object", *object);
  for (const auto& [name, value] : object->items()) {
    const std::string param = "structured_outputs." + name;
    if (value.is_null() || value == false) continue;
    if (name == "json") {
      reader.Schema(param, value);
    } else if (name == "regex") {
      reader.Regex(param, value);
    } else if (name == "choice") {
      reader.Choices(param, value);
    } else if (name == "grammar") {
      reader.Grammar(param, value);
    } else if (name == "json_object") {
      reader.AnyObject(param);
    } else {
      fields.Fail(param, "'" + param + "' is not supported", "unsupported_parameter");
    }
  }
}

}  // namespace

void ReadConstraint(JsonFields& fields, const ServedModel& model, CompletionPlan& plan) {
  ConstraintReader reader(fields, model, plan);
  ReadResponseFormat(fields, reader);
  ReadStructuredOutputs(fields, reader);
  if (const Json* value = fields.Find("guided_json")) reader.Schema("guided_json", *value);
  if (const Json* value = fields.Find("guided_regex")) reader.Regex("guided_regex", *value);
  if (const Json* value = fields.Find("guided_choice")) reader.Choices("guided_choice", *value);
  if (const Json* value = fields.Find("guided_grammar")) reader.Grammar("guided_grammar", *value);
  if (const Json* value = fields.Find("grammar")) reader.Grammar("grammar", *value);
}

}  // namespace baton::api
