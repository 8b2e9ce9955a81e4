#pragma once

#include <string>

#include "baton/base/status.h"
#include "baton/loadgen/prompts.h"

namespace baton::loadgen {

/// How requests are written.
struct RequestFormat {
  /// /v1/chat/completions instead of /v1/completions.
  bool chat = false;
  std::string model;
  double temperature = 0;
  /// Asks servers that know the field to go on to the asked length.
  bool ignore_eos = true;
  /// A JSON object whose fields are added to every body, and replace those of the same name.
  std::string extra = "{}";
};

/// Fails with InvalidArgument unless `text` is a JSON object.
Status CheckExtraFields(const std::string& text);

std::string CompletionPath(const RequestFormat& format);
std::string CompletionBody(const RequestFormat& format, const Prompt& prompt);

}  // namespace baton::loadgen
