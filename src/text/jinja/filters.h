#pragma once

#include <map>
#include <string>

#include "runtime.h"
#include "value.h"

namespace baton::text::jinja {

using Filter = Value (*)(Runtime&, const Value& input, const Arguments&);
using FilterTable = std::map<std::string, Filter>;

/// Null when there is no filter of that name.
Filter FindFilter(const std::string& name);
/// Whether `input` passes the test. *Throws* TemplateError when there is no test of that name.
bool ApplyTest(Runtime& runtime, const std::string& name, const Value& input,
               const Arguments& arguments);
bool HasTest(const std::string& name);

const FilterTable& TextFilters();
const FilterTable& SequenceFilters();
const FilterTable& LayoutFilters();

}  // namespace baton::text::jinja
