#include "baton/device/host_stream.h"

#include <algorithm>

#include "baton/base/check.h"
#include "baton/base/units.h"
#include "thread_pool.h"

namespace baton::device {
namespace {

/// Ranges per thread, so that a thread that the host delays does not hold up the others.
constexpr int64_t kRangesPerThread = 4;

}  // namespace

HostStream::HostStream(const HostThreads& threads) {
  BATON_CHECK(threads.count >= 1) << "a stream has at least its caller's thread, got "
                                  << threads.count;
  pool_ = std::make_unique<ThreadPool>(threads);
}

HostStream::~HostStream() = default;

int HostStream::threads() const { return pool_->helpers() + 1; }

void HostStream::ParallelFor(int64_t count, int64_t grain, const Body& body) {
  BATON_CHECK(count >= 0 && grain >= 1);
  BATON_CHECK(!in_loop_) << "a parallel loop inside a parallel loop";
  if (count == 0) return;
  in_loop_ = true;
  if (threads() == 1 || count <= grain) {
    body(0, count);
  } else {
    const int64_t ranges = std::min(CeilDiv(count, grain), threads() * kRangesPerThread);
    pool_->Run(count, CeilDiv(CeilDiv(count, ranges), grain) * grain, body);
  }
  in_loop_ = false;
}

HostStream& AsHost(Stream& stream) {
  auto* host = dynamic_cast<HostStream*>(&stream);
  BATON_CHECK(host != nullptr) << "a CPU operation was given another device's stream";
  return *host;
}

}  // namespace baton::device
