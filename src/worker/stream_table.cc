#include "stream_table.h"

#include <utility>

namespace baton::worker {

void StreamTable::Add(SequenceId sequence, Entry entry) {
  std::lock_guard lock(mutex_);
  sequences_[KeyOf(entry)] = sequence;
  entries_[sequence] = std::move(entry);
}

std::shared_ptr<rpc::GenerateStream> StreamTable::Find(SequenceId sequence) const {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(sequence);
  return it == entries_.end() ? nullptr : it->second.stream;
}

std::optional<StreamTable::Entry> StreamTable::FindEntry(SequenceId sequence) const {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(sequence);
  if (it == entries_.end()) return std::nullopt;
  return it->second;
}

std::shared_ptr<const rpc::GenerateCall> StreamTable::FindCall(SequenceId sequence) const {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(sequence);
  return it == entries_.end() ? nullptr : it->second.call;
}

std::shared_ptr<rpc::GenerateStream> StreamTable::TakeUnrouted(SequenceId sequence) {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(sequence);
  if (it == entries_.end() || it->second.routed) return nullptr;
  it->second.routed = true;
  return it->second.stream;
}

void StreamTable::KeepHere(SequenceId sequence, const std::string& reason) {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(sequence);
  if (it == entries_.end()) return;
  auto call = std::make_shared<rpc::GenerateCall>(*it->second.call);
  call->prefill_peer.clear();
  call->reason = reason;
  it->second.call = std::move(call);
}

std::shared_ptr<rpc::GenerateStream> StreamTable::Remove(SequenceId sequence) {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(sequence);
  if (it == entries_.end()) return nullptr;
  sequences_.erase(KeyOf(it->second));
  auto stream = std::move(it->second.stream);
  entries_.erase(it);
  return stream;
}

std::vector<std::pair<SequenceId, StreamTable::Entry>> StreamTable::Entries() const {
  std::lock_guard lock(mutex_);
  return {entries_.begin(), entries_.end()};
}

std::optional<SequenceId> StreamTable::FindSequence(const rpc::GenerateStream* stream) const {
  std::lock_guard lock(mutex_);
  const auto it = sequences_.find(stream);
  if (it == sequences_.end()) return std::nullopt;
  return it->second;
}

std::vector<SequenceId> StreamTable::Sequences() const {
  std::lock_guard lock(mutex_);
  std::vector<SequenceId> sequences;
  sequences.reserve(entries_.size());
  for (const auto& [sequence, entry] : entries_) sequences.push_back(sequence);
  return sequences;
}

size_t StreamTable::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace baton::worker
