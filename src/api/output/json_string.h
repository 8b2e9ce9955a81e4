#pragma once

#include <cstdint>
#include <string>

namespace baton::api {

/// Decodes what stands in a JSON string, byte by byte, behind its opening quote. An escape that is
/// none stands for itself; half a surrogate pair is U+FFFD.
class JsonString {
 public:
  /// Appends to `out` what `c` made certain. False when `c` is the closing quote.
  bool Push(char c, std::string& out);
  /// Appends what is left of an escape that breaks off.
  void Finish(std::string& out);

 private:
  void Letter(char c, std::string& out);
  void CodeUnit(uint32_t unit, std::string& out);
  void DropSurrogate(std::string& out);

  /// An escape from its backslash on, while it is incomplete.
  std::string escape_;
  /// The first half of a pair, 0 for none.
  uint32_t high_ = 0;
};

}  // namespace baton::api
