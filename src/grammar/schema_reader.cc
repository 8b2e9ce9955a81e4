#include "schema_reader.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace baton::grammar {
namespace {

/// Of references, allOf and anyOf within each other.
constexpr int kMaxDepth = 64;
constexpr int kMaxExclusiveDepth = 4;

bool IsHex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

size_t SizeOf(const Json& schema, const char* keyword) {
  const auto found = schema.find(keyword);
  return found == schema.end() ? 0 : found->size();
}

/// Comparisons weigh less than other steps.
constexpr size_t kComparisonsPerStep = 64;

size_t StepsToRead(const Json& schema, const SchemaShape& shape) {
  const size_t values = SizeOf(schema, "enum"), required = SizeOf(schema, "required");
  const size_t compared = values * (shape.values ? shape.values->size() : 0) +
                          required * (required + shape.required.size());
  return 1 + schema.size() + values + required + SizeOf(schema, "properties") +
         compared / kComparisonsPerStep;
}

/// "%25" as "%".
std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && IsHex(text[i + 1]) && IsHex(text[i + 2])) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// "~1" as "/", "~0" as "~".
std::string Unescaped(std::string_view step) {
  std::string out;
  for (size_t i = 0; i < step.size(); ++i) {
    const bool escape = step[i] == '~' && i + 1 < step.size();
    out += escape ? (step[i + 1] == '1' ? '/' : '~') : step[i];
    if (escape) ++i;
  }
  return out;
}

const Json* Child(const Json& json, const std::string& step) {
  if (json.is_object()) {
    const auto found = json.find(step);
    return found == json.end() ? nullptr : &*found;
  }
  const bool index = json.is_array() && !step.empty() && step.size() < 7 &&
                     step.find_first_not_of("0123456789") == std::string::npos;
  if (!index || std::stoul(step) >= json.size()) return nullptr;
  return &json[std::stoul(step)];
}

bool Contradicts(const SchemaShape& shape) {
  if (shape.types == 0) return true;
  return shape.values &&
         std::none_of(shape.values->begin(), shape.values->end(),
                      [&](const Json* value) { return (TypeOf(*value) & shape.types) != 0; });
}

bool HaveCommonValue(const SchemaShape& a, const SchemaShape& b) {
  return std::any_of(a.values->begin(), a.values->end(), [&](const Json* value) {
    return (TypeOf(*value) & b.types) != 0 &&
           std::any_of(b.values->begin(), b.values->end(),
                       [&](const Json* other) { return *value == *other; });
  });
}

/// Whether the values of `a` have only types that `b` excludes.
bool OfOtherTypes(const SchemaShape& a, const SchemaShape& b) {
  if ((a.types & b.types) == 0) return true;
  return a.values && std::all_of(a.values->begin(), a.values->end(), [&](const Json* value) {
           return (TypeOf(*value) & a.types & b.types) == 0;
         });
}

}  // namespace

Result<std::vector<SchemaShape>> SchemaReader::ShapesOf(const Subschemas& schemas) {
  Shapes shapes(1);
  for (const Subschema& schema : schemas) {
    BATON_RETURN_IF_ERROR(Apply(schema, shapes, 0));
  }
  return shapes;
}

Subschema SchemaReader::Target(Subschema schema) const {
  for (int i = 0; i < kMaxDepth; ++i) {
    const bool reference =
        schema.schema->is_object() && schema.schema->size() == 1 && schema.schema->contains("$ref");
    if (!reference) break;
    auto target = Resolve(schema);
    // Whoever reads the reference tells what is wrong with it.
    if (!target.ok()) break;
    schema = *std::move(target);
  }
  return schema;
}

Status SchemaReader::Charge(const std::string& place, size_t steps) {
  steps_ += steps;
  if (steps_ <= static_cast<size_t>(options_.steps)) return OkStatus();
  return SchemaError(
      place, "reading the schema takes more than " + std::to_string(options_.steps) + " steps");
}

Status SchemaReader::Apply(const Subschema& schema, Shapes& shapes, int depth) {
  const Json& json = *schema.schema;
  if (depth > kMaxDepth)
    return SchemaError(schema.place, "references lead in a circle, or too far");
  if (json == true) return OkStatus();
  if (json == false) {
    shapes.clear();
    return OkStatus();
  }
  if (!json.is_object()) return SchemaError(schema.place, "expected a schema");
  if (&json != &document_ && json.contains("$id")) {
    return SchemaError(PlaceBelow(schema.place, "$id"), "schemas within schemas are not supported");
  }
  for (SchemaShape& shape : shapes) {
    BATON_RETURN_IF_ERROR(Charge(schema.place, StepsToRead(json, shape)));
    BATON_RETURN_IF_ERROR(ReadKeywords(schema, options_, shape));
  }
  // With no shape left the schema is read all the same, so that its mistakes are found.
  if (shapes.empty()) {
    SchemaShape unused;
    BATON_RETURN_IF_ERROR(Charge(schema.place, StepsToRead(json, unused)));
    BATON_RETURN_IF_ERROR(ReadKeywords(schema, options_, unused));
  }
  BATON_RETURN_IF_ERROR(ApplyReference(schema, shapes, depth));
  BATON_RETURN_IF_ERROR(ApplyBranches(schema, shapes, depth));
  std::erase_if(shapes, Contradicts);
  return OkStatus();
}

Status SchemaReader::ApplyReference(const Subschema& schema, Shapes& shapes, int depth) {
  if (schema.schema->contains("$ref")) {
    BATON_ASSIGN_OR_RETURN(const Subschema target, Resolve(schema));
    BATON_RETURN_IF_ERROR(Apply(target, shapes, depth + 1));
  }
  const auto all = schema.schema->find("allOf");
  if (all == schema.schema->end()) return OkStatus();
  const std::string place = PlaceBelow(schema.place, "allOf");
  if (!all->is_array() || all->empty()) return SchemaError(place, "expected schemas");
  for (size_t i = 0; i < all->size(); ++i) {
    const Subschema one{&(*all)[i], PlaceBelow(place, std::to_string(i))};
    BATON_RETURN_IF_ERROR(Apply(one, shapes, depth + 1));
  }
  return OkStatus();
}

Status SchemaReader::ApplyBranches(const Subschema& schema, Shapes& shapes, int depth) {
  for (const char* keyword : {"anyOf", "oneOf"}) {
    const auto branches = schema.schema->find(keyword);
    if (branches == schema.schema->end()) continue;
    const std::string place = PlaceBelow(schema.place, keyword);
    if (!branches->is_array() || branches->empty()) return SchemaError(place, "expected schemas");
    Shapes together;
    std::vector<Shapes> alone;
    for (size_t i = 0; i < branches->size(); ++i) {
      const Subschema branch{&(*branches)[i], PlaceBelow(place, std::to_string(i))};
      Shapes with = shapes;
      BATON_RETURN_IF_ERROR(Apply(branch, with, depth + 1));
      std::move(with.begin(), with.end(), std::back_inserter(together));
      if (together.size() > options_.alternatives) {
        return SchemaError(place, "more than " + std::to_string(options_.alternatives) +
                                      " alternatives of one value");
      }
      if (keyword[0] != 'o' || branches->size() == 1) continue;
      alone.emplace_back(1);
      BATON_RETURN_IF_ERROR(Apply(branch, alone.back(), depth + 1));
    }
    BATON_RETURN_IF_ERROR(RequireExclusive(alone, place));
    shapes = std::move(together);
  }
  return OkStatus();
}

/// A value valid under one branch must not be valid under another.
Status SchemaReader::RequireExclusive(const std::vector<Shapes>& branches,
                                      const std::string& place) {
  for (size_t i = 0; i < branches.size(); ++i) {
    for (size_t j = i + 1; j < branches.size(); ++j) {
      for (const SchemaShape& a : branches[i]) {
        for (const SchemaShape& b : branches[j]) {
          BATON_ASSIGN_OR_RETURN(const bool exclusive, Exclusive(a, b, 0));
          if (exclusive) continue;
          return SchemaError(place, "branches " + std::to_string(i) + " and " + std::to_string(j) +
                                        " may both be satisfied by one value; oneOf is supported "
                                        "where types, or constants of a required property, tell "
                                        "its branches apart");
        }
      }
    }
  }
  return OkStatus();
}

Result<bool> SchemaReader::Exclusive(const SchemaShape& a, const SchemaShape& b, int depth) {
  const size_t values = (a.values ? a.values->size() : 1) * (b.values ? b.values->size() : 1);
  const size_t names = (1 + a.required.size()) * (1 + b.required.size());
  BATON_RETURN_IF_ERROR(Charge("#", 1 + (values + names) / kComparisonsPerStep));
  if (OfOtherTypes(a, b) || OfOtherTypes(b, a)) return true;
  if (a.values && b.values) return !HaveCommonValue(a, b);
  if ((a.types & b.types) != kObject || depth > kMaxExclusiveDepth) return false;
  for (const std::string& name : a.required) {
    if (!b.IsRequired(name)) continue;
    BATON_ASSIGN_OR_RETURN(const Shapes of_a, ShapesOf(a.Property(name)));
    BATON_ASSIGN_OR_RETURN(const Shapes of_b, ShapesOf(b.Property(name)));
    bool exclusive = true;
    for (const SchemaShape& one : of_a) {
      for (const SchemaShape& other : of_b) {
        if (!exclusive) break;
        BATON_ASSIGN_OR_RETURN(exclusive, Exclusive(one, other, depth + 1));
      }
    }
    if (exclusive) return true;
  }
  return false;
}

Result<Subschema> SchemaReader::Resolve(const Subschema& schema) const {
  const Json& reference = (*schema.schema)["$ref"];
  const std::string place = PlaceBelow(schema.place, "$ref");
  if (!reference.is_string()) return SchemaError(place, "expected a string");
  const std::string& text = reference.get_ref<const std::string&>();
  if (text != "#" && !text.starts_with("#/")) {
    return SchemaError(place, "only references within the schema (#/...) are supported");
  }
  const std::string pointer = PercentDecoded(text);
  Subschema target{&document_, "#"};
  for (size_t at = 1; at < pointer.size();) {
    const size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    const std::string step = Unescaped(std::string_view(pointer).substr(at + 1, end - at - 1));
    const Json* next = Child(*target.schema, step);
    if (next == nullptr) return SchemaError(place, "there is nothing at " + text);
    target = {next, PlaceBelow(target.place, step)};
    if (end < pointer.size() && next->is_object() && next->contains("$id")) {
      return SchemaError(place, "it leads through a schema with an $id of its own");
    }
    at = end;
  }
  return target;
}

}  // namespace baton::grammar
