#include "baton/base/random.h"

#include <random>

namespace baton {

uint64_t RandomSeed() {
  // Not for each seed: on a virtual machine making one was seen to take some 10 us.
  thread_local std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace baton
