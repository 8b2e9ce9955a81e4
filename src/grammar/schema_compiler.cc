#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "baton/base/json_nesting.h"
#include "baton/grammar/sources.h"
#include "baton/text/utf8.h"
#include "expr_measure.h"
#include "json_rules.h"
#include "regex_parser.h"
#include "schema_reader.h"

namespace baton::grammar {
namespace {

/// Turns shapes into rules, each schema once, so that recursion ends.
class SchemaCompiler {
 public:
  SchemaCompiler(const Json& document, const SchemaOptions& options)
      : options_(options), reader_(document, options) {
    const Subschemas root = {{&document, "#"}};
    rules_.Add("root", RuleOf(root));
  }

  Result<std::string> Run() {
    while (!pending_.empty()) {
      const auto [name, schemas] = std::move(pending_.front());
      pending_.pop_front();
      BATON_ASSIGN_OR_RETURN(ExprPtr expr, Compile(schemas, name));
      rules_.Add(name, std::move(expr));
      if (rules_.order.size() > options_.grammar.rules) {
        return InvalidArgument("schema: it becomes more than " +
                               std::to_string(options_.grammar.rules) + " rules");
      }
    }
    AddJsonRules(options_.whitespace, rules_);
    std::string text = Print(rules_);
    if (text.size() <= options_.grammar.text_bytes) return text;
    return InvalidArgument("schema: it becomes a grammar of " + std::to_string(text.size()) +
                           " bytes, more than the limit of " +
                           std::to_string(options_.grammar.text_bytes));
  }

 private:
  /// A reference to the rule for all of `schemas`, which is made later.
  ExprPtr RuleOf(Subschemas schemas) {
    if (schemas.empty()) return Reference(kJsonValue);
    for (Subschema& schema : schemas) schema = reader_.Target(std::move(schema));
    std::vector<const Json*> key;
    for (const Subschema& schema : schemas) key.push_back(schema.schema);
    const auto known = names_.find(key);
    if (known != names_.end()) return Reference(known->second);
    // What reads best in a log: the last step of the place.
    const std::string& place = schemas.front().place;
    std::string name = "s" + std::to_string(names_.size());
    const std::string step = place.substr(place.rfind('/') + 1);
    if (step != "#") name += "-";
    for (const char c : step.substr(0, 30)) {
      if (c == '#') continue;
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      name += plain ? c : '_';
    }
    names_.emplace(std::move(key), name);
    pending_.emplace_back(name, schemas);
    return Reference(name);
  }

  Result<ExprPtr> Compile(const Subschemas& schemas, const std::string& rule) {
    BATON_ASSIGN_OR_RETURN(const std::vector<SchemaShape> shapes, reader_.ShapesOf(schemas));
    std::vector<ExprPtr> ways;
    const std::string& place = schemas.front().place;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const std::string name = shapes.size() == 1 ? rule : rule + "-" + std::to_string(i);
      BATON_RETURN_IF_ERROR(CompileShape(shapes[i], place, name, ways));
    }
    if (ways.empty()) return SchemaFalse(place);
    return Choice(std::move(ways));
  }

  /// The root must have values; elsewhere what has none is left out by those who refer to it.
  Result<ExprPtr> SchemaFalse(const std::string& place) const {
    if (place == "#") return SchemaError(place, "no value is valid");
    return Choice({});
  }

  Status CompileShape(const SchemaShape& shape, const std::string& place, const std::string& rule,
                      std::vector<ExprPtr>& ways) {
    if (shape.values) return CompileValues(shape, place, ways);
    uint32_t types = shape.types;
    if (types == kAnyType && shape.types_meant == 0) {
      ways.push_back(Reference(kJsonValue));
      return OkStatus();
    }
    // Keywords about objects are written for objects, even where the type is left open.
    if (!shape.types_given && shape.types_meant != 0) types &= shape.types_meant;
    if ((types & kNull) != 0) ways.push_back(Literal("null"));
    if ((types & kBoolean) != 0) ways.push_back(Choice({Literal("true"), Literal("false")}));
    if ((types & (kInteger | kFraction)) != 0) ways.push_back(NumberOf(shape, types));
    if ((types & kString) != 0) {
      BATON_ASSIGN_OR_RETURN(ExprPtr string, StringOf(shape, place));
      ways.push_back(std::move(string));
    }
    if ((types & kArray) != 0) ways.push_back(ArrayOf(shape, rule));
    if ((types & kObject) != 0) {
      BATON_ASSIGN_OR_RETURN(ExprPtr object, ObjectOf(shape, place, rule));
      ways.push_back(std::move(object));
    }
    return OkStatus();
  }

  /// Values of enum and const, as JSON without white space.
  Status CompileValues(const SchemaShape& shape, const std::string& place,
                       std::vector<ExprPtr>& ways) {
    for (const Json* value : *shape.values) {
      if ((TypeOf(*value) & shape.types) == 0) continue;
      BATON_ASSIGN_OR_RETURN(const bool valid, Satisfies(*value, shape, place));
      if (valid) ways.push_back(Literal(value->dump()));
    }
    return OkStatus();
  }

  /// What is said beside enum and const. *Fails with* InvalidArgument for what is not checked.
  Result<bool> Satisfies(const Json& value, const SchemaShape& shape, const std::string& place) {
    const auto unchecked = [&](const char* what) {
      return SchemaError(place, std::string("enum or const beside ") + what + " is not supported");
    };
    if (value.is_number() && (shape.numbers.min || shape.numbers.max)) {
      const auto number = Decimal::Parse(value.dump());
      if (!number) return unchecked("bounds, with so many digits,");
      const auto above = [&](const Bound& bound) {
        return Compare(*number, bound.value) + (bound.exclusive ? 0 : 1) > 0;
      };
      const auto below = [&](const Bound& bound) {
        return Compare(*number, bound.value) - (bound.exclusive ? 0 : 1) < 0;
      };
      if (shape.numbers.min && !above(*shape.numbers.min)) return false;
      if (shape.numbers.max && !below(*shape.numbers.max)) return false;
    }
    if (value.is_string()) {
      if (!shape.patterns.empty()) return unchecked("pattern or format");
      const int64_t length = CharactersOf(value.get_ref<const std::string&>());
      if (length < shape.min_length || length > shape.max_length.value_or(length)) return false;
    }
    const bool of_arrays = !shape.arrays.empty() || shape.min_items > 0 || shape.max_items;
    if (value.is_array() && of_arrays) return unchecked("keywords for arrays");
    const bool of_objects = !shape.objects.empty() || !shape.required.empty() ||
                            shape.min_properties > 0 || shape.max_properties;
    if (value.is_object() && of_objects) return unchecked("keywords for objects");
    return true;
  }

  static ExprPtr NumberOf(const SchemaShape& shape, uint32_t types) {
    const bool bounded = shape.numbers.min || shape.numbers.max;
    if ((types & kFraction) == 0) {
      return bounded ? IntegersIn(shape.numbers) : Reference(kJsonInteger);
    }
    return bounded ? NumbersIn(shape.numbers) : Reference(kJsonNumber);
  }

  Result<ExprPtr> StringOf(const SchemaShape& shape, const std::string& place) {
    const bool bounded = shape.min_length > 0 || shape.max_length;
    if (shape.patterns.empty()) {
      if (!bounded) return Reference(kJsonString);
      const int max = shape.max_length ? static_cast<int>(*shape.max_length) : kUnbounded;
      if (shape.max_length && *shape.max_length < shape.min_length) return Choice({});
      return Quoted(Repeat(Reference(kJsonChar), static_cast<int>(shape.min_length), max));
    }
    const SchemaShape::Pattern& pattern = shape.patterns.front();
    if (shape.patterns.size() > 1) {
      return SchemaError(shape.patterns[1].place,
                         "beside another pattern or format it is not "
                         "supported");
    }
    auto regex = ParseRegex(pattern.regex, options_.grammar);
    if (!regex.ok()) return SchemaError(pattern.place, regex.status().message());
    std::vector<ExprPtr> ways;
    for (const Regex::Alternative& one : regex->alternatives) {
      BATON_RETURN_IF_ERROR(CheckLength(one, shape, place));
      const ExprPtr any = Repeat(Reference(kJsonChar), 0, kUnbounded);
      std::vector<ExprPtr> parts;
      if (!one.from_start) parts.push_back(any);
      parts.push_back(WithinJsonString(*one.expr));
      if (!one.to_end) parts.push_back(any);
      ways.push_back(Sequence(std::move(parts)));
    }
    return Quoted(Choice(std::move(ways)));
  }

  /// A pattern and a length are put together where the pattern implies the length.
  static Status CheckLength(const Regex::Alternative& one, const SchemaShape& shape,
                            const std::string& place) {
    const CharacterCount count = CountCharacters(*one.expr);
    const bool too_short = count.least < shape.min_length;
    const bool too_long =
        shape.max_length && (!one.from_start || !one.to_end || count.most > *shape.max_length);
    if (!too_short && !too_long) return OkStatus();
    return SchemaError(PlaceBelow(place, too_short ? "minLength" : "maxLength"),
                       "beside a pattern or format it is supported only where that implies it");
  }

  static ExprPtr Quoted(ExprPtr inside) {
    return Sequence({Literal("\""), std::move(inside), Literal("\"")});
  }

  static ExprPtr Element(ExprPtr value) { return Sequence({std::move(value), Space()}); }

  /// A rule of its own, so that lists of parts do not nest.
  ExprPtr AddRule(const std::string& name, ExprPtr expr) {
    rules_.Add(name, std::move(expr));
    return Reference(name);
  }

  ExprPtr ArrayOf(const SchemaShape& shape, const std::string& rule) {
    if ((shape.types_meant & kArray) == 0) return Reference(kJsonArray);
    size_t length = 0;
    bool rest_given = shape.arrays.empty();
    Subschemas rest;
    for (const SchemaShape::Array& array : shape.arrays) {
      length = std::max(length, array.prefix.size());
      rest_given |= array.items.has_value();
      if (array.items) rest.push_back(*array.items);
    }
    // What may follow a tuple is not asked of a model unless the schema says what it is.
    const bool open = rest_given || shape.min_items > static_cast<int64_t>(length);
    const int64_t max =
        std::min(shape.max_items.value_or(kMany), open ? kMany : static_cast<int64_t>(length));
    if (shape.min_items > max) return Choice({});
    const int64_t at = static_cast<int64_t>(length);
    ExprPtr tail = Sequence({});
    if (max > at) {
      tail = Items(Element(RuleOf(rest)), std::max<int64_t>(shape.min_items - at, 0),
                   max == kMany ? kMany : max - at, length == 0);
    }
    for (size_t i = std::min<size_t>(length, static_cast<size_t>(std::min(max, at))); i-- > 0;) {
      tail = Sequence({Element(RuleOf(ItemAt(shape, i))), std::move(tail)});
      if (i > 0) tail = Sequence({Comma(), std::move(tail)});
      if (static_cast<int64_t>(i) >= shape.min_items) tail = Optional(std::move(tail));
      tail = AddRule(rule + "-from-" + std::to_string(i), std::move(tail));
    }
    return Enclosed("[", std::move(tail), "]");
  }

  static Subschemas ItemAt(const SchemaShape& shape, size_t index) {
    Subschemas all;
    for (const SchemaShape::Array& array : shape.arrays) {
      if (index < array.prefix.size()) {
        all.push_back(array.prefix[index]);
      } else if (array.items) {
        all.push_back(*array.items);
      }
    }
    return all;
  }

  /// `min` to `max` of them with commas between, and before the first unless it `begins` the list.
  static ExprPtr Items(const ExprPtr& one, int64_t min, int64_t max, bool begins) {
    const auto count = [](int64_t n) { return n >= kMany ? kUnbounded : static_cast<int>(n); };
    const ExprPtr next = Sequence({Comma(), one});
    if (!begins) return Repeat(next, count(min), count(max));
    if (max <= 0) return Sequence({});
    ExprPtr list = Sequence({one, Repeat(next, count(std::max<int64_t>(min - 1, 0)),
                                         max >= kMany ? kUnbounded : count(max - 1))});
    return min == 0 ? Optional(std::move(list)) : list;
  }

  struct Member {
    ExprPtr expr;
    bool required = false;
  };

  Result<ExprPtr> ObjectOf(const SchemaShape& shape, const std::string& place,
                           const std::string& rule) {
    if ((shape.types_meant & kObject) == 0) return ExprPtr(Reference(kJsonObject));
    BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesOf(shape, place));
    std::vector<Member> members;
    for (const std::string& name : names) {
      const Subschemas value = shape.Property(name);
      const bool forbidden = std::any_of(value.begin(), value.end(),
                                         [](const Subschema& one) { return *one.schema == false; });
      const bool required = shape.IsRequired(name);
      if (forbidden && required) return Choice({});
      if (!forbidden) members.push_back({MemberOf(Literal(JsonQuoted(name)), value), required});
    }
    BATON_ASSIGN_OR_RETURN(const ExprPtr extra, ExtraOf(shape, names, place));
    int64_t min_extra = 0, max_extra = extra == nullptr ? 0 : kMany;
    BATON_RETURN_IF_ERROR(CheckCounts(shape, members, place, min_extra, max_extra));
    return Enclosed("{", Members(members, extra, min_extra, max_extra, rule), "}");
  }

  /// Declared ones in order, then those that are only required.
  Result<std::vector<std::string>> NamesOf(const SchemaShape& shape, const std::string& place) {
    std::vector<std::string> names;
    std::set<std::string> known;
    for (const SchemaShape::Object& object : shape.objects) {
      for (const auto& property : object.properties) {
        if (known.insert(property.first).second) names.push_back(property.first);
      }
    }
    for (const std::string& name : shape.required) {
      if (known.insert(name).second) names.push_back(name);
    }
    if (names.size() <= options_.properties_of_one_object) return names;
    return SchemaError(place, "more properties than the limit of " +
                                  std::to_string(options_.properties_of_one_object));
  }

  ExprPtr MemberOf(ExprPtr key, const Subschemas& value) {
    return Sequence({std::move(key), Space(), Literal(":"), Space(), Element(RuleOf(value))});
  }

  /// A member that is not declared; null where there may be none. Where properties are declared and
  /// nothing is said of others, none are asked of a model.
  Result<ExprPtr> ExtraOf(const SchemaShape& shape, const std::vector<std::string>& names,
                          const std::string& place) {
    Subschemas value;
    for (const SchemaShape::Object& object : shape.objects) {
      if (object.additional) value.push_back(*object.additional);
    }
    const bool forbidden = std::any_of(value.begin(), value.end(),
                                       [](const Subschema& one) { return *one.schema == false; });
    if (forbidden || (value.empty() && !names.empty())) return ExprPtr();
    BATON_RETURN_IF_ERROR(CheckNamesBesideExtra(names, place));
    return MemberOf(Quoted(OtherThan(names)), value);
  }

  static const CharClass& KeyChars() {
    static const CharClass chars = CharClass{{0, 0x1F}, {U'"', U'"'}, {U'\\', U'\\'}}.Complement();
    return chars;
  }

  /// Keys other than `names`, without escapes, so that none is one of them in disguise: beginnings
  /// of names, and beginnings that go on otherwise.
  static ExprPtr OtherThan(const std::vector<std::string>& names) {
    std::map<std::string, CharClass> beginnings = {{"", {}}};
    const std::set<std::string> taken(names.begin(), names.end());
    for (const std::string& name : names) {
      for (size_t at = 0; at < name.size();) {
        const text::Utf8Step step = text::NextUtf8(std::string_view(name).substr(at));
        if (!KeyChars().Contains(step.code_point)) break;
        beginnings[name.substr(0, at)].Add(step.code_point, step.code_point);
        at += step.bytes;
        beginnings.try_emplace(name.substr(0, at));
      }
    }
    std::vector<ExprPtr> whole, strayed;
    for (const auto& [beginning, next] : beginnings) {
      if (!taken.contains(beginning)) whole.push_back(Literal(beginning));
      strayed.push_back(Sequence({Literal(beginning), Chars(KeyChars().Minus(next))}));
    }
    whole.push_back(
        Sequence({Choice(std::move(strayed)), Repeat(Chars(KeyChars()), 0, kUnbounded)}));
    return Choice(std::move(whole));
  }

  /// Each beginning of a name is written out among the keys other than the names.
  static Status CheckNamesBesideExtra(const std::vector<std::string>& names,
                                      const std::string& place) {
    size_t bytes = 0;
    for (const std::string& name : names) bytes += name.size() * (name.size() + kBytesOfClass);
    if (bytes <= kMaxNameBytes) return OkStatus();
    return SchemaError(place,
                       "too many or too long names of properties beside others that are "
                       "additional");
  }

  /// minProperties and maxProperties, where they can be kept to.
  static Status CheckCounts(const SchemaShape& shape, const std::vector<Member>& members,
                            const std::string& place, int64_t& min_extra, int64_t& max_extra) {
    const int64_t all = static_cast<int64_t>(members.size());
    const int64_t required = std::count_if(members.begin(), members.end(),
                                           [](const Member& member) { return member.required; });
    const bool fixed = required == all;
    if (shape.min_properties > required) {
      // Two extra members may have one name.
      if (!fixed || shape.min_properties > required + 1 || max_extra == 0) {
        return SchemaError(PlaceBelow(place, "minProperties"),
                           "it is supported for required properties and one more");
      }
      min_extra = 1;
    }
    if (!shape.max_properties) return OkStatus();
    if (*shape.max_properties >= all && (fixed || max_extra == 0)) {
      max_extra = std::min(max_extra, *shape.max_properties - all);
      return OkStatus();
    }
    return SchemaError(PlaceBelow(place, "maxProperties"),
                       "it is supported where all properties declared are within it");
  }

  /// All required members, optional ones at will, in order; then extra ones.
  ExprPtr Members(const std::vector<Member>& members, const ExprPtr& extra, int64_t min_extra,
                  int64_t max_extra, const std::string& rule) {
    const auto required = std::find_if(members.begin(), members.end(),
                                       [](const Member& member) { return member.required; });
    if (required == members.end() && !members.empty()) {
      return OptionalMembers(members, extra, max_extra, rule);
    }
    std::vector<ExprPtr> parts;
    for (auto member = members.begin(); member != members.end(); ++member) {
      std::vector<ExprPtr> one = {member->expr};
      // Commas lie between a member and the first required one.
      if (member < required) one.push_back(Comma());
      if (member > required) one.insert(one.begin(), Comma());
      ExprPtr part = Sequence(std::move(one));
      parts.push_back(member->required ? std::move(part) : Optional(std::move(part)));
    }
    if (extra != nullptr) parts.push_back(Items(extra, min_extra, max_extra, members.empty()));
    return Sequence(std::move(parts));
  }

  /// Whichever member comes first has no comma before it.
  ExprPtr OptionalMembers(const std::vector<Member>& members, const ExprPtr& extra,
                          int64_t max_extra, const std::string& rule) {
    ExprPtr after = extra == nullptr ? Sequence({}) : Items(extra, 0, max_extra, false);
    std::vector<ExprPtr> firsts;
    if (extra != nullptr) firsts.push_back(Items(extra, 1, max_extra, true));
    for (size_t i = members.size(); i-- > 0;) {
      firsts.push_back(Sequence({members[i].expr, after}));
      if (i == 0) break;
      after = AddRule(rule + "-after-" + std::to_string(i - 1),
                      Sequence({Optional(Sequence({Comma(), members[i].expr})), after}));
    }
    std::reverse(firsts.begin(), firsts.end());
    return Optional(Choice(std::move(firsts)));
  }

  static constexpr int64_t kMany = int64_t{1} << 40;
  static constexpr size_t kBytesOfClass = 40;
  static constexpr size_t kMaxNameBytes = 256 * 1024;

  const SchemaOptions& options_;
  SchemaReader reader_;
  Rules rules_;
  std::map<std::vector<const Json*>, std::string> names_;
  std::deque<std::pair<std::string, Subschemas>> pending_;
};

/// Thrown out of the parser's callback.
struct TooManyKeys {};

/// The parser looks keys up one by one, so their number is limited while it reads.
Result<Json> ParseDocument(std::string_view text, const SchemaOptions& options) {
  std::vector<size_t> keys;
  const auto count = [&](int, Json::parse_event_t event, Json&) {
    if (event == Json::parse_event_t::object_start) keys.push_back(0);
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && ++keys.back() > options.properties_of_one_object) {
      throw TooManyKeys();
    }
    return true;
  };
  try {
    return Json::parse(text, count);
  } catch (const TooManyKeys&) {
    return InvalidArgument("schema: an object has more keys than the limit of " +
                           std::to_string(options.properties_of_one_object));
  } catch (const Json::exception& error) {
    return InvalidArgument(std::string("schema: it is not JSON: ") + error.what());
  }
}

}  // namespace

Result<std::string> FromJsonSchema(std::string_view schema, const SchemaOptions& options) {
  if (schema.size() > options.grammar.text_bytes) {
    return InvalidArgument("schema: it has " + std::to_string(schema.size()) +
                           " bytes, more than the limit of " +
                           std::to_string(options.grammar.text_bytes));
  }
  if (JsonNesting(schema) > options.nesting) {
    return InvalidArgument("schema: it nests more than " + std::to_string(options.nesting) +
                           " deep");
  }
  BATON_ASSIGN_OR_RETURN(const Json document, ParseDocument(schema, options));
  if (!document.is_object() && !document.is_boolean()) {
    return InvalidArgument("schema: expected an object");
  }
  return SchemaCompiler(document, options).Run();
}

}  // namespace baton::grammar
