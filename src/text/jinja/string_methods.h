#pragma once

#include <map>
#include <string>

#include "methods.h"

namespace baton::text::jinja {

using Method = Value (*)(Runtime&, const Value& self, const Arguments&);
using MethodTable = std::map<std::string, Method>;

const MethodTable& StringMethods();

}  // namespace baton::text::jinja
