#include <csignal>
#include <string>

#include <sys/prctl.h>
#include <unistd.h>

#include "baton/transport/ucx.h"
#include "hex_line.h"

/// The other process of ucx_faults_test: transport_peer <transports> <serve|idle|put>.
namespace baton::transport {
namespace {

constexpr size_t kRegionBytes = size_t{4} << 20;

class Peer final : public TransportListener {
 public:
  explicit Peer(const std::string& transports) {
    UcxOptions options;
    options.transports = transports;
    transport_ = *MakeUcxTransport(options);
    transport_->SetListener(this);
    (void)*transport_->AllocateRegion(kRegionBytes);
    WriteHexLine(1, *transport_->Address());
  }

  void Run(const std::string& behaviour) {
    const std::string address = ReadHexLine(0);
    if (address.empty()) return;
    parent_ = *transport_->Connect(address);
    WriteHexLine(1, "met");
    if (behaviour == "idle") pause();
    putting_ = behaviour == "put";
    if (putting_) PutAll();
    for (;;) {
      if (!transport_->Progress()) transport_->Wait(std::chrono::milliseconds(10));
    }
  }

  void OnMessage(PeerId peer, std::span<const std::byte> message) override {
    constexpr std::string_view kLeave = "leave";
    const std::string_view text(reinterpret_cast<const char*>(message.data()), message.size());
    if (text == kLeave) return transport_->Disconnect(peer);
    (void)transport_->Send(peer, message);
  }
  void OnTransferDone(PeerId, TransferId, Status) override {
    if (putting_) PutAll();
  }

 private:
  void PutAll() {
    const Descriptor all{0, 0, kRegionBytes};
    (void)transport_->Put(parent_, {&all, 1});
  }

  std::unique_ptr<Transport> transport_;
  PeerId parent_{};
  bool putting_ = false;
};

}  // namespace
}  // namespace baton::transport

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // Never outlives the test.
  if (argc < 3) return 2;
  baton::transport::Peer(argv[1]).Run(argv[2]);
}
