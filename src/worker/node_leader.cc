#include "node_leader.h"

#include <utility>

#include "node_silence.h"

namespace baton::worker {

std::unique_ptr<transport::Transport> NodeLeader::MakeTransport(
    std::unique_ptr<transport::Transport> own) {
  std::vector<transport::NodeEnd> ends;
  for (const JoinedFollower& follower : followers_) {
    ends.push_back({.link = follower.links.control,
                    .address = follower.hello.transport_address,
                    .regions = follower.hello.regions});
  }
  auto made = transport::NodesTransport::Make(std::move(own), std::move(ends));
  transport_ = made.get();
  return made;
}

std::vector<std::shared_ptr<nodes::Link>> NodeLeader::Sums() const {
  std::vector<std::shared_ptr<nodes::Link>> sums;
  for (const JoinedFollower& follower : followers_) sums.push_back(follower.links.sums);
  return sums;
}

std::vector<transport::MemoryRegion> NodeLeader::Regions() const {
  std::vector<transport::MemoryRegion> regions;
  for (const JoinedFollower& follower : followers_) {
    regions.insert(regions.end(), follower.hello.regions,
                   {.data = nullptr, .bytes = follower.hello.region_bytes});
  }
  return regions;
}

Result<std::unique_ptr<model::StepRunner>> NodeLeader::Spread(
    std::unique_ptr<model::StepRunner> own, collective::Communicator& group) const {
  std::vector<std::shared_ptr<nodes::Link>> steps;
  for (const JoinedFollower& follower : followers_) steps.push_back(follower.links.steps);
  return model::MakeLeaderRunner(std::move(own), std::move(steps), group);
}

Status NodeLeader::Start(const std::string& group_ids, Clock& clock) {
  BATON_RETURN_IF_ERROR(Welcome(followers_, group_ids));
  for (size_t i = 0; i < followers_.size(); ++i) {
    threads_.push_back(std::make_unique<nodes::LinkThread>(
        followers_[i].links.control, kNodeSilence, clock,
        nodes::LinkThread::Listener{
            .on_frame = [this, i](nodes::Frame frame) { OnFrame(i, std::move(frame)); },
            .on_lost = [this](const Status& status) { OnLost(status); }}));
  }
  return OkStatus();
}

void NodeLeader::OnLost(const Status& status) {
  lost_ = true;
  Shutdown();
  if (collective::Communicator* group = group_) group->Abort(status);
  listener_.on_lost(status);
}

void NodeLeader::Watch(collective::Communicator& group) {
  group_ = &group;
  if (lost_) group.Abort(Unavailable("a node was lost"));
}

void NodeLeader::OnFrame(size_t follower, nodes::Frame frame) {
  if (frame.kind >= transport::kFirstTransportFrame) {
    transport_->OnFrame(follower, std::move(frame));
  } else if (frame.kind == static_cast<uint32_t>(NodeMessage::kDrain)) {
    listener_.on_drain();
  }
}

void NodeLeader::End() {
  for (const JoinedFollower& follower : followers_) {
    (void)follower.links.control->Send(static_cast<uint32_t>(NodeMessage::kEnd));
  }
}

void NodeLeader::Shutdown() {
  for (const JoinedFollower& follower : followers_) follower.links.Shutdown();
}

}  // namespace baton::worker
