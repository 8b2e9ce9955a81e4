#include "baton/base/random.h"

#include <random>

namespace baton {

uint64_t RandomSeed() {
  // Making one asks which CPU this is, which takes a virtual machine some 10 us.
  thread_local std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace baton
