#include <algorithm>
#include <fstream>
#include <functional>
#include <sstream>

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "baton/transport/ucx.h"
#include "peer_process.h"
#include "support/transport_endpoint.h"

/// What UCX does with peers that are killed, frozen or never there. Run with shared memory and TCP.
namespace baton::transport {
namespace {

constexpr size_t kPeerBytes = size_t{4} << 20;

class UcxFaults : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    UcxOptions options;
    options.transports = GetParam();
    own_ = std::make_unique<Endpoint>(*MakeUcxTransport(options), kPeerBytes);
  }

  struct Joined {
    std::unique_ptr<PeerProcess> process;
    PeerId id{};
  };

  Joined Join(const std::string& behaviour) {
    Joined peer{PeerProcess::Start(GetParam(), behaviour)};
    peer.id = *own_->transport->Connect(peer.process->address());
    peer.process->Meet(*own_->transport->Address());
    return peer;
  }

  bool Until(const std::function<bool()>& reached) {
    for (int round = 0; round < 20000 && !reached(); ++round) {
      if (!own_->transport->Progress()) own_->transport->Wait(std::chrono::milliseconds(1));
    }
    return reached();
  }
  void Rounds(int count) {
    for (int i = 0; i < count; ++i) {
      if (!own_->transport->Progress()) own_->transport->Wait(std::chrono::milliseconds(1));
    }
  }
  void PutAll(PeerId peer, int times = 1) {
    const Descriptor all{0, 0, kPeerBytes};
    for (int i = 0; i < times; ++i) {
      ASSERT_TRUE(own_->transport->Put(peer, {&all, 1}).ok());
      ++puts_;
    }
  }
  /// Whether the transport still does everything for this peer.
  void ExpectServed(const Joined& peer) {
    const size_t messages = own_->messages.size();
    ASSERT_TRUE(own_->Send(peer.id, "echo this").ok());
    const Descriptor all{0, 0, kPeerBytes};
    const TransferId put = *own_->transport->Put(peer.id, {&all, 1});
    ++puts_;
    const auto done = [&] {
      return std::find_if(own_->done.begin(), own_->done.end(),
                          [&](const auto& each) { return each.transfer == put; });
    };
    ASSERT_TRUE(
        Until([&] { return own_->messages.size() > messages && done() != own_->done.end(); }));
    EXPECT_EQ(own_->messages.back().bytes, "echo this");
    EXPECT_TRUE(done()->status.ok()) << done()->status;
  }

  std::unique_ptr<Endpoint> own_;
  int puts_ = 0;
};

TEST_P(UcxFaults, APeerKilledWhilePutsAreUnderWayHangsNothing) {
  Joined victim = Join("serve");
  Joined other = Join("serve");
  PutAll(victim.id, 20);
  Rounds(3);
  victim.process->Kill();
  PutAll(victim.id, 5);
  (void)own_->Send(victim.id, std::string(300'000, 'x'));
  Rounds(20);
  own_->transport->Disconnect(victim.id);

  ASSERT_TRUE(Until([&] { return static_cast<int>(own_->done.size()) == puts_; }));
  EXPECT_FALSE(own_->transport->CanStillWrite(victim.id));
  EXPECT_TRUE(own_->transport->CanStillWrite(other.id));
  ExpectServed(other);
}

TEST_P(UcxFaults, APeerThatTakesNoMessagesAndIsKilledHangsNothing) {
  Joined victim = Join("idle");
  Joined other = Join("serve");
  for (int i = 0; i < 2000; ++i) (void)own_->Send(victim.id, std::string(3000, 'x'));
  PutAll(victim.id, 3);
  Rounds(50);
  victim.process->Kill();
  Rounds(50);
  own_->transport->Disconnect(victim.id);

  ExpectServed(other);
}

TEST_P(UcxFaults, APeerKilledBeforeItsFirstContactHangsNothing) {
  Joined other = Join("serve");
  auto victim = PeerProcess::Start(GetParam(), "serve");
  const std::string address = victim->address();
  victim->Kill();
  const Result<PeerId> id = own_->transport->Connect(address);
  if (id.ok()) {
    const Descriptor put{0, 0, 100};
    (void)own_->transport->Put(*id, {&put, 1});
    (void)own_->Send(*id, "anyone?");
    Rounds(50);
    own_->transport->Disconnect(*id);
    EXPECT_FALSE(own_->transport->CanStillWrite(*id));
  }
  ExpectServed(other);
}

TEST_P(UcxFaults, ATransportMayEndRightAfterItsPeerWasKilled) {
  Joined victim = Join("idle");
  for (int i = 0; i < 2000; ++i) (void)own_->Send(victim.id, std::string(3000, 'x'));
  PutAll(victim.id, 3);
  Rounds(10);
  victim.process->Kill();
  own_.reset();
  SUCCEED();
}

TEST_P(UcxFaults, APeerKilledWhileItPutsToUsHangsNothing) {
  Joined victim = Join("put");
  Joined other = Join("serve");
  Rounds(100);
  victim.process->Kill();
  Rounds(50);
  own_->transport->Disconnect(victim.id);

  EXPECT_FALSE(own_->transport->CanStillWrite(victim.id));
  ExpectServed(other);
}

TEST_P(UcxFaults, AFrozenPeerDoesNotHoldUpTheDisconnect) {
  Joined victim = Join("serve");
  Joined other = Join("serve");
  ExpectServed(victim);
  victim.process->Signal(SIGSTOP);
  PutAll(victim.id, 10);
  for (int i = 0; i < 2000; ++i) (void)own_->Send(victim.id, std::string(3000, 'x'));
  Rounds(50);
  own_->transport->Disconnect(victim.id);

  // Over TCP we carry out a peer's puts ourselves, and no more once disconnected.
  EXPECT_EQ(own_->transport->CanStillWrite(victim.id), GetParam() != "tcp");
  EXPECT_TRUE(own_->transport->IsThere(victim.id));
  ExpectServed(other);
  victim.process->Kill();
  EXPECT_FALSE(own_->transport->CanStillWrite(victim.id));
  EXPECT_FALSE(own_->transport->IsThere(victim.id));
}

/// Both sides have given up by the time that the peer goes on, and each finds the other's end among
/// bytes that still wait.
TEST_P(UcxFaults, AFrozenPeerThatGoesOnAndLeavesDoesNotEndUs) {
  Joined other = Join("serve");
  for (int i = 0; i < 10; ++i) {
    Joined victim = Join("serve");
    ExpectServed(victim);
    victim.process->Signal(SIGSTOP);
    ASSERT_TRUE(own_->Send(victim.id, "leave").ok());
    PutAll(victim.id, 10);
    Rounds(20);
    own_->transport->Disconnect(victim.id);
    victim.process->Signal(SIGCONT);
    Rounds(100);
    ExpectServed(other);
  }
}

TEST_P(UcxFaults, ManyPeersInTurnAreKilledAndReplaced) {
  for (int i = 0; i < 5; ++i) {
    Joined peer = Join("serve");
    ExpectServed(peer);
    PutAll(peer.id, 4);
    peer.process->Kill();
    Rounds(5);
    own_->transport->Disconnect(peer.id);
  }
  ASSERT_TRUE(Until([&] { return static_cast<int>(own_->done.size()) == puts_; }));
}

TEST_P(UcxFaults, KilledPeersLeaveNoSharedMemoryBehind) {
  Joined victim = Join("serve");
  ExpectServed(victim);
  const std::string pid = std::to_string(victim.process->pid());
  victim.process->Kill();
  own_->transport->Disconnect(victim.id);
  own_.reset();

  std::ifstream segments("/proc/sysvipc/shm");
  for (std::string line; std::getline(segments, line);) {
    std::istringstream fields(line);
    std::string key, id, mode, bytes, creator;
    fields >> key >> id >> mode >> bytes >> creator;
    EXPECT_NE(creator, pid) << line;
  }
}

TEST(UcxProcess, CatchesNoSignals) {
  ASSERT_TRUE(MakeUcxTransport().ok());
  for (int signal : {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGHUP}) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    Dl_info library{};
    if (action.sa_handler == SIG_DFL ||
        dladdr(reinterpret_cast<void*>(action.sa_handler), &library) == 0) {
      continue;
    }
    EXPECT_EQ(std::string(library.dli_fname).find("libuc"), std::string::npos) << signal;
  }
}

/// A patched function starts with a jump out of the C library.
TEST(UcxProcess, LeavesMemoryFunctionsAlone) {
  ASSERT_TRUE(MakeUcxTransport().ok());
  for (const char* name : {"mmap", "munmap", "madvise", "shmat", "brk"}) {
    const auto* code = static_cast<const unsigned char*>(dlsym(RTLD_NEXT, name));
    ASSERT_NE(code, nullptr) << name;
    EXPECT_NE(int{code[0]}, 0xE9) << name << " jumps elsewhere";
    EXPECT_NE(int{code[0]}, 0xFF) << name << " jumps elsewhere";
    EXPECT_FALSE(code[0] == 0x49 && code[1] == 0xBB) << name << " jumps elsewhere";
  }
}

TEST(UcxProcess, RefusesTransportsThatDoNotExist) {
  UcxOptions options;
  options.transports = "carrier_pigeon";
  EXPECT_FALSE(MakeUcxTransport(options).ok());
}

TEST(UcxProcess, RefusesARegionLargerThanTheHost) {
  auto transport = *MakeUcxTransport();
  EXPECT_EQ(transport->AllocateRegion(size_t{1} << 46).status().code(),
            StatusCode::kResourceExhausted);
}

INSTANTIATE_TEST_SUITE_P(Paths, UcxFaults, testing::Values("", "tcp"), [](const auto& path) {
  return path.param.empty() ? std::string("AsFound") : path.param;
});

}  // namespace
}  // namespace baton::transport
