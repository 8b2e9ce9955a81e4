#pragma once

#include <string>
#include <vector>

namespace baton::config {

/// " (did you mean 'prefill'?)" when one of `names` is close to `text`: two typing errors at most,
/// fewer for short names. Else "".
std::string DidYouMean(const std::string& text, const std::vector<std::string>& names);

/// "prefill, decode, mixed".
std::string JoinNames(const std::vector<std::string>& names);

}  // namespace baton::config
