#include "rank_threads.h"

#include <string>
#include <utility>

#include <pthread.h>

#include "baton/base/await_change.h"
#include "baton/base/check.h"

namespace baton::model {

RankThreads::RankThreads(int32_t ranks, Body on_start) : on_start_(std::move(on_start)) {
  BATON_CHECK(ranks >= 1);
  for (int32_t rank = 1; rank < ranks; ++rank) {
    threads_.emplace_back([this, rank] { Loop(rank); });
  }
}

RankThreads::~RankThreads() {
  stopping_.store(true, std::memory_order_relaxed);
  calls_.fetch_add(1, std::memory_order_release);
  calls_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void RankThreads::Run(const Body& body) {
  body_ = &body;
  returned_.store(0, std::memory_order_relaxed);
  calls_.fetch_add(1, std::memory_order_release);
  calls_.notify_all();
  body(0);
  uint32_t returned = returned_.load(std::memory_order_acquire);
  while (returned != threads_.size()) returned = AwaitChange(returned_, returned);
}

void RankThreads::Loop(int32_t rank) {
  pthread_setname_np(pthread_self(), ("rank " + std::to_string(rank)).c_str());
  if (on_start_) on_start_(rank);
  for (uint32_t calls = 0;;) {
    calls = AwaitChange(calls_, calls);
    if (stopping_.load(std::memory_order_relaxed)) return;
    (*body_)(rank);
    returned_.fetch_add(1, std::memory_order_release);
    returned_.notify_one();
  }
}

}  // namespace baton::model
