#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "../json_fields.h"
#include "baton/api/chat_format.h"
#include "baton/base/status.h"

namespace baton::api {

/// The calls that an output may make, or must.
struct CallRules {
  /// Of chat completions, checked. Arguments fit the schema of their function; where a schema says
  /// what grammars cannot, any object does, unless the function is strict.
  std::vector<Json> tools;
  bool several = true;
  /// Else the output may also be text, or have text before its calls.
  bool required = true;
};

/// The grammar of outputs that call as `format` reads it. REQUIRES: a format of calls; one whose
/// marker is no special token, unless calls are required: a grammar cannot spell special tokens.
/// *Fails with* InvalidArgument naming the function whose strict schema cannot be enforced.
Result<std::string> CallGrammar(ToolFormat format, const CallRules& rules);

/// The grammar of outputs in which reasoning comes before what `grammar` says: it must where the
/// prompt began it, else it may. *Fails with* InvalidArgument for a mistake in `grammar`.
Result<std::string> AfterReasoning(std::string_view grammar, bool begins_in_reasoning);

}  // namespace baton::api
