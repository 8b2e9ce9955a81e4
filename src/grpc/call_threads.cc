#include "call_threads.h"

#include <optional>

#include <pthread.h>

namespace baton::grpc {

void CallThread::Run() {
  while (true) {
    const auto work = work_.Receive(std::chrono::hours(1));
    if (work) {
      (*work)();
    } else if (closed_) {
      return;
    }
  }
}

CallThreads::CallThreads(int count) {
  for (int i = 0; i < count; ++i) {
    calls_.push_back(std::make_shared<CallThread>());
    threads_.emplace_back([call = calls_.back()] {
      pthread_setname_np(pthread_self(), "grpc-call");
      call->Run();
    });
  }
}

CallThreads::~CallThreads() {
  for (const auto& call : calls_) call->Close();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<CallThread> CallThreads::Next() {
  return calls_[next_.fetch_add(1, std::memory_order_relaxed) % calls_.size()];
}

}  // namespace baton::grpc
