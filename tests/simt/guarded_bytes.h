#pragma once

namespace baton::simt {

/// While one lives, what GuardedBytes gave cannot be touched, and what is constant of it only read.
class HeldMemory {
 public:
  HeldMemory();
  ~HeldMemory();
  HeldMemory(const HeldMemory&) = delete;
  HeldMemory& operator=(const HeldMemory&) = delete;
};

}  // namespace baton::simt
