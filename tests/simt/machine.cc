#include "simt/machine.h"

#include <utility>

#include "simt/scheduler.h"

namespace baton::simt {

void SetSchedule(uint64_t seed) { TheScheduler().SetSchedule(seed); }
void RunGrid(const Grid& grid, const std::function<void()>& kernel) {
  TheScheduler().RunGrid(grid, kernel);
}
const Indices& Self() { return TheScheduler().self().self; }
void Fail(const std::string& what, Site site) { TheScheduler().Fail(what, site); }
void Yield() { TheScheduler().Yield(); }

void MeetLanes(uint32_t mask, const char* what, void* brought, Together together, Site site) {
  TheScheduler().MeetLanes(mask, what, brought, together, site);
}
void MeetWarpgroup(const char* what, void* brought, Together together, Site site) {
  TheScheduler().MeetWarpgroup(what, brought, together, site);
}
void MeetBlock(const char* what, void* brought, Together together, Site site) {
  TheScheduler().MeetBlock(what, brought, together, site);
}
void BarrierSync(int id, int threads, Site site) {
  TheScheduler().Barrier(id, threads, true, site);
}
void BarrierArrive(int id, int threads, Site site) {
  TheScheduler().Barrier(id, threads, false, site);
}
void WaitUntil(const char* what, bool (*ready)(const void*), const void* context, Site site) {
  TheScheduler().WaitUntil(what, ready, context, site);
}
void AwaitKernelsBefore(Site site) { TheScheduler().AwaitKernelsBefore(site); }
void Later(const char* what, std::function<void()> work) {
  TheScheduler().Later(what, std::move(work));
}

std::byte* DynamicSharedBytes() { return TheScheduler().shared().dynamic(); }
std::byte* StaticSharedBytes(std::type_index type, size_t bytes, size_t alignment) {
  std::byte* place = TheScheduler().shared().Static(type, bytes, alignment);
  if (place == nullptr) Fail("more than 48 KiB of static shared memory");
  return place;
}
uint32_t SharedAddress(const void* shared) {
  const std::optional<uint32_t> address = TheScheduler().shared().AddressOf(shared);
  if (!address) Fail("an address outside of shared memory");
  return *address;
}
std::byte* SharedAt(uint32_t address) { return TheScheduler().shared().At(address); }

std::shared_ptr<void>& ThreadSlot(std::type_index type) {
  return TheScheduler().self().slots[type];
}
std::shared_ptr<void>& BlockSlot(std::type_index type) {
  return TheScheduler().block_slots()[type];
}

}  // namespace baton::simt
