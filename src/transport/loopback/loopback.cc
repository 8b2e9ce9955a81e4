#include "baton/transport/loopback.h"

#include "loopback_transport.h"

namespace baton::transport {

LoopbackNetwork::LoopbackNetwork(const LoopbackOptions& options)
    : state_(std::make_shared<State>(options)) {
  BATON_CHECK(options.piece_bytes > 0 && options.delay < 1);
}

LoopbackNetwork::~LoopbackNetwork() = default;

std::unique_ptr<Transport> LoopbackNetwork::MakeEndpoint(const std::string& name) {
  std::lock_guard lock(state_->mutex);
  BATON_CHECK(state_->Find(name) == 0) << "two endpoints named " << name;
  const uint64_t number = state_->nodes.size() + 1;
  state_->nodes[number].name = name;
  return std::make_unique<LoopbackTransport>(state_, number);
}

void LoopbackNetwork::Kill(const std::string& name) {
  std::lock_guard lock(state_->mutex);
  const uint64_t number = state_->Find(name);
  BATON_CHECK(number != 0) << "no endpoint named " << name;
  state_->node(number).alive = false;
}

void LoopbackNetwork::Sever(const std::string& a, const std::string& b) {
  std::lock_guard lock(state_->mutex);
  const uint64_t first = state_->Find(a);
  const uint64_t second = state_->Find(b);
  BATON_CHECK(first != 0 && second != 0) << "no endpoints named " << a << " and " << b;
  state_->severed.insert(std::minmax(first, second));
}

void LoopbackNetwork::OnWrite(std::function<void(const LoopbackWrite&)> check) {
  std::lock_guard lock(state_->mutex);
  state_->on_write = std::move(check);
}

}  // namespace baton::transport
