#include <nlohmann/json.hpp>

#include "baton/grammar/sources.h"
#include "unit/grammar/grammar_samples.h"

namespace baton::grammar {
namespace {

/// A schema, and which JSON texts it takes.
class Schema {
 public:
  explicit Schema(std::string_view schema, const SchemaOptions& options = {}) {
    const auto text = FromJsonSchema(schema, options);
    BATON_CHECK(text.ok()) << text.status();
    grammar_ = Compiled(*text);
  }
  bool Takes(std::string_view json) const {
    Matcher matcher(grammar_, Bytes());
    return matcher.AcceptBytes(json) && matcher.MayEnd();
  }

 private:
  std::shared_ptr<const Grammar> grammar_;
};

std::string ErrorOf(std::string_view schema, const SchemaOptions& options = {}) {
  const auto text = FromJsonSchema(schema, options);
  if (text.ok()) return "none";
  EXPECT_EQ(text.status().code(), StatusCode::kInvalidArgument);
  return text.status().message();
}

TEST(Schema, KeepsTheOrderOfPropertiesAndLeavesOptionalOnesOut) {
  const Schema schema(R"({"type":"object","properties":{"b":{"type":"integer"},
    "a":{"type":"null"},"c":{"type":"boolean"}},"required":["a"]})");
  EXPECT_TRUE(schema.Takes(R"({"b": 1, "a": null, "c": true})"));
  EXPECT_TRUE(schema.Takes(R"({"a":null})"));
  EXPECT_TRUE(schema.Takes(R"({"a":null,"c":false})"));
  EXPECT_FALSE(schema.Takes(R"({"a":null,"b":1})"));
  EXPECT_FALSE(schema.Takes(R"({"b":1})"));
  EXPECT_FALSE(schema.Takes(R"({"a":null,})"));
  EXPECT_FALSE(schema.Takes(R"({"a":null,"d":1})"));
}

TEST(Schema, TakesAnySubsetOfOptionalProperties) {
  const Schema schema(R"({"properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}}})");
  for (const char* json :
       {"{}", R"({"a":1})", R"({"b":2,"c":3})", R"({"a":1,"c":3})", R"({"a":1,"b":2,"c":3})"}) {
    EXPECT_TRUE(schema.Takes(json)) << json;
  }
  for (const char* json : {R"({"c":3,"a":1})", R"({"a":1"b":2})", R"({,"a":1})", "[]"}) {
    EXPECT_FALSE(schema.Takes(json)) << json;
  }
}

/// A key that occurs twice would hide the first value from the schema.
TEST(Schema, TakesNoDeclaredNameAmongAdditionalProperties) {
  const Schema schema(
      R"({"properties":{"ab":{"type":"integer"}},"additionalProperties":{"type":"string"}})");
  EXPECT_TRUE(schema.Takes(R"({"ab":1,"a":"x","abc":"y","":"z","b":"w"})"));
  EXPECT_FALSE(schema.Takes(R"({"ab":1,"ab":"x"})"));
  EXPECT_FALSE(schema.Takes(R"({"ab":1,"\u0061b":"x"})"));
  EXPECT_FALSE(schema.Takes(R"({"a":1})"));
}

TEST(Schema, CountsItemsAndTuples) {
  const Schema list(R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})");
  EXPECT_FALSE(list.Takes("[1]"));
  EXPECT_TRUE(list.Takes("[1, 2]"));
  EXPECT_TRUE(list.Takes("[1,2,3]"));
  EXPECT_FALSE(list.Takes("[1,2,3,4]"));
  const Schema tuple(
      R"({"type":"array","prefixItems":[{"const":1},{"const":"x"}],"items":{"type":"null"},"minItems":1})");
  EXPECT_FALSE(tuple.Takes("[]"));
  EXPECT_TRUE(tuple.Takes("[1]"));
  EXPECT_TRUE(tuple.Takes(R"([1,"x",null,null])"));
  EXPECT_FALSE(tuple.Takes(R"([1,null])"));
}

TEST(Schema, FollowsReferencesWithoutEnd) {
  const Schema schema(R"({"$defs":{"a/b":{"type":"object","properties":{"next":{"anyOf":[
    {"$ref":"#/$defs/a~1b"},{"type":"null"}]}},"required":["next"]}},"$ref":"#/$defs/a~1b"})");
  EXPECT_TRUE(schema.Takes(R"({"next":{"next":{"next":null}}})"));
  EXPECT_FALSE(schema.Takes(R"({"next":{"next":{"next":1}}})"));
}

TEST(Schema, PutsAllOfTogether) {
  const Schema schema(R"({"type":"object","allOf":[{"properties":{"a":{"type":"integer"}}},
    {"properties":{"a":{"minimum":5},"b":{"enum":[1,2]}},"required":["a"]}],
    "properties":{"b":{"enum":[2,3]}}})");
  EXPECT_TRUE(schema.Takes(R"({"b":2,"a":5})"));
  EXPECT_FALSE(schema.Takes(R"({"b":1,"a":5})"));
  EXPECT_FALSE(schema.Takes(R"({"a":4})"));
}

TEST(Schema, BoundsStrings) {
  const Schema length(R"({"type":"string","minLength":2,"maxLength":3})");
  EXPECT_FALSE(length.Takes(R"("a")"));
  EXPECT_TRUE(length.Takes("\"\xC3\xA9\\n\""));
  EXPECT_TRUE(length.Takes(R"("\ud83d\ude00b")"));
  EXPECT_FALSE(length.Takes(R"("abcd")"));
  const Schema pattern(R"({"type":"string","pattern":"^a[\"x]|b$"})");
  EXPECT_TRUE(pattern.Takes(R"("a\" and more")"));
  EXPECT_TRUE(pattern.Takes(R"("more b")"));
  EXPECT_FALSE(pattern.Takes(R"("xa\"")"));
  const Schema both(R"({"type":"string","pattern":"^[a-z]{2,4}$","maxLength":4})");
  EXPECT_TRUE(both.Takes(R"("abcd")"));
}

TEST(Schema, KnowsFormats) {
  const auto takes = [](const std::string& format, const std::string& text) {
    return Schema(R"({"type":"string","format":")" + format + "\"}").Takes('"' + text + '"');
  };
  EXPECT_TRUE(takes("date", "2024-02-29"));
  EXPECT_FALSE(takes("date", "2023-02-29"));
  EXPECT_FALSE(takes("date", "2023-04-31"));
  EXPECT_TRUE(takes("date-time", "2023-04-30T23:59:59.5+01:30"));
  EXPECT_TRUE(takes("uuid", "123e4567-e89b-12d3-a456-426614174000"));
  EXPECT_TRUE(takes("ipv6", "2001:db8::7"));
  EXPECT_FALSE(takes("ipv6", "1::2::3"));
  EXPECT_FALSE(takes("ipv4", "256.1.1.1"));
  EXPECT_TRUE(takes("email", "ada.l@example.org"));
  EXPECT_TRUE(takes("uri", "https://example.org:80/a%20b?q=1#f"));
}

TEST(Schema, TakesOneOfWhereConstantsTellBranchesApart) {
  const Schema schema(R"({"oneOf":[
    {"type":"object","properties":{"t":{"const":"a"},"x":{"type":"integer"}},"required":["t","x"]},
    {"type":"object","properties":{"t":{"const":"b"}},"required":["t"]},{"type":"null"}]})");
  EXPECT_TRUE(schema.Takes(R"({"t":"a","x":1})"));
  EXPECT_TRUE(schema.Takes(R"({"t":"b"})"));
  EXPECT_TRUE(schema.Takes("null"));
  EXPECT_FALSE(schema.Takes(R"({"t":"a"})"));
  EXPECT_THAT(ErrorOf(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})"),
              testing::HasSubstr("schema, at #/oneOf: branches 0 and 1 may both be satisfied"));
}

TEST(Schema, WritesWithoutSpaceWhereAskedTo) {
  const Schema schema(R"({"properties":{"a":{"type":"array"}}})", {.whitespace = 0});
  EXPECT_TRUE(schema.Takes(R"({"a":[1,{"b":2}]})"));
  EXPECT_FALSE(schema.Takes(R"({"a": []})"));
}

TEST(Schema, RefusesWhatItDoesNotEnforceByItsPlace) {
  const std::pair<const char*, const char*> kRefused[] = {
      {R"({"properties":{"a/b":{"not":{}}}})", "schema, at #/properties/a~1b/not: "},
      {R"({"type":"array","uniqueItems":true})", "schema, at #/uniqueItems: "},
      {R"({"patternProperties":{"a":{}}})", "schema, at #/patternProperties: "},
      {R"({"type":"number","multipleOf":0.5})", "schema, at #/multipleOf: "},
      {R"({"anyOf":[{},{"if":{}}]})", "schema, at #/anyOf/1/if: "},
      {R"({"$ref":"other.json"})", "schema, at #/$ref: only references within"},
      {R"({"$ref":"#/nowhere"})", "schema, at #/$ref: there is nothing at #/nowhere"},
      {R"({"$ref":"#"})", "schema, at #: references lead in a circle"},
      {R"({"format":"color"})", "schema, at #/format: the format 'color' is not supported"},
      {R"re({"pattern":"(?=a)"})re", "schema, at #/pattern: pattern, line 1"},
      {R"({"pattern":"a+","maxLength":3})", "schema, at #/maxLength: beside a pattern"},
      {R"({"type":"strin"})", "schema, at #/type: there is no type \"strin\""},
      {R"({"properties":[]})", "schema, at #/properties: expected an object"},
      {R"({"allOf":[{"type":"string"},{"type":"null"}]})", "schema, at #: no value is valid"},
      {"[1]", "schema: expected an object"},
      {"{", "schema: it is not JSON"}};
  for (const auto& [schema, error] : kRefused) {
    EXPECT_THAT(ErrorOf(schema), testing::StartsWith(error)) << schema;
  }
}

TEST(Schema, IgnoresAnnotations) {
  EXPECT_EQ(ErrorOf(R"({"$schema":"x","$id":"y","title":"t","description":"d","default":1,
    "examples":[],"deprecated":true,"x-mine":{},"type":"integer"})"),
            "none");
}

TEST(Schema, NamesTheLimitExceeded) {
  EXPECT_THAT(ErrorOf(R"({"items":{"items":{}}})", {.nesting = 2}),
              testing::HasSubstr("nests more than 2 deep"));
  EXPECT_THAT(ErrorOf(R"({"properties":{"a":{},"b":{}}})", {.properties_of_one_object = 1}),
              testing::HasSubstr("more keys than the limit of 1"));
  EXPECT_THAT(ErrorOf(R"({"anyOf":[{},{},{}]})", {.alternatives = 2}),
              testing::HasSubstr("more than 2 alternatives"));
  EXPECT_THAT(ErrorOf(R"({"items":{"items":{}}})", {.steps = 2}),
              testing::HasSubstr("more than 2 steps"));
  EXPECT_THAT(ErrorOf(R"({"minLength":11})", {.grammar = {.repetitions = 10}}),
              testing::HasSubstr("greater than the limit of 10"));
  EXPECT_THAT(ErrorOf("{}", {.grammar = {.text_bytes = 1}}),
              testing::HasSubstr("more than the limit of 1"));
  EXPECT_THAT(ErrorOf("{}", {.grammar = {.text_bytes = 100}}),
              testing::HasSubstr("it becomes a grammar of"));
}

/// Each level refers twice to the next.
TEST(Schema, StopsWhereReferencesMultiply) {
  std::string defs;
  for (int i = 0; i < 25; ++i) {
    const std::string next = R"({"$ref":"#/$defs/d)" + std::to_string(i + 1) + "\"}";
    defs += "\"d" + std::to_string(i) + R"(":{"allOf":[)" + next + "," + next + "]},";
  }
  EXPECT_THAT(ErrorOf(R"({"$ref":"#/$defs/d0","$defs":{)" + defs + R"("d25":{}}})"),
              testing::HasSubstr("takes more than 200000 steps"));
}

}  // namespace
}  // namespace baton::grammar
