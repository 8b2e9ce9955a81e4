#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// A decoder of bytes from outside, as a function of bytes. Each file <name>_fuzz.cc defines
/// kTarget; libfuzzer_main.cc looks for inputs that break it, replay_main.cc runs those kept.
namespace baton::fuzz {

struct FuzzTarget {
  /// Longer inputs find nothing that shorter ones do not.
  size_t max_bytes = 4096;
  /// Valid inputs, made by the code that makes them in production wherever there is such code.
  std::vector<std::string> (*seeds)() = nullptr;
  /// Words that inputs are made of.
  std::vector<std::string> words;
  /// Decodes `input`, in time and memory in proportion to it, and CHECKs what the decoder promises.
  void (*run)(std::string_view input) = nullptr;
};

extern const FuzzTarget kTarget;

}  // namespace baton::fuzz
