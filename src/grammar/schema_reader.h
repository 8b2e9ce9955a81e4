#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "baton/base/status.h"
#include "baton/grammar/sources.h"
#include "schema_shape.h"

namespace baton::grammar {

/// Reads keywords of schemas into shapes.
class SchemaReader {
 public:
  /// *Ownership*: both outlive this.
  SchemaReader(const Json& document, const SchemaOptions& options)
      : document_(document), options_(options) {}

  /// What a schema that is nothing but a reference refers to; others are their own target.
  Subschema Target(Subschema schema) const;

  /// The ways in which a value can satisfy all of `schemas`; none where they contradict each other.
  /// *Fails with* InvalidArgument naming the place.
  Result<std::vector<SchemaShape>> ShapesOf(const Subschemas& schemas);

 private:
  using Shapes = std::vector<SchemaShape>;

  Status Apply(const Subschema& schema, Shapes& shapes, int depth);
  Status ApplyReference(const Subschema& schema, Shapes& shapes, int depth);
  Status ApplyBranches(const Subschema& schema, Shapes& shapes, int depth);
  Status RequireExclusive(const std::vector<Shapes>& branches, const std::string& place);
  Result<bool> Exclusive(const SchemaShape& a, const SchemaShape& b, int depth);
  Result<Subschema> Resolve(const Subschema& schema) const;
  /// *Fails with* InvalidArgument where reading takes too long.
  Status Charge(const std::string& place, size_t steps);

  const Json& document_;
  const SchemaOptions& options_;
  size_t steps_ = 0;
};

/// Adds what the keywords of one schema say, but for those that join schemas ($ref, allOf, ...).
/// *Fails with* InvalidArgument naming the place.
Status ReadKeywords(const Subschema& schema, const SchemaOptions& options, SchemaShape& shape);

/// "schema, at #/properties/a: `what`".
Status SchemaError(const std::string& place, const std::string& what);
/// `place` with one more step, escaped as JSON pointers are.
std::string PlaceBelow(const std::string& place, std::string_view step);

}  // namespace baton::grammar
