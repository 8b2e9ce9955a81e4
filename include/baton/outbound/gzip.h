#pragma once

#include <string>
#include <string_view>

namespace baton::outbound {

/// `bytes` as a file of gzip, for Content-Encoding: gzip.
std::string Gzip(std::string_view bytes);

}  // namespace baton::outbound
