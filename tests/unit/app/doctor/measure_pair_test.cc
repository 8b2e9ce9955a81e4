#include "doctor/measure_pair.h"

#include <chrono>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "baton/transport/ucx.h"
#include "doctor/line_socket.h"

namespace baton::app {
namespace {

/// A doctor that listens, in this process, on a port that is free now.
class ListeningDoctor {
 public:
  ListeningDoctor() {
    address_ = LineListener::Listen("127.0.0.1:0")->address();
    thread_ = std::jthread([this](const std::stop_token& stop) {
      EXPECT_TRUE(ServePairMeasurements(address_, "", stop).ok());
    });
    // Until it listens.
    while (!LineSocket::Dial(address_).ok()) std::this_thread::yield();
  }
  const std::string& address() const { return address_; }

 private:
  std::string address_;
  std::jthread thread_;
};

TEST(MeasurePair, FindsPathBandwidthAndLatency) {
  ListeningDoctor doctor;
  for (const char* tls : {"", "tcp"}) {
    const auto figures = MeasurePair(doctor.address(), tls);
    ASSERT_TRUE(figures.ok()) << figures.status();
    EXPECT_FALSE(figures->remote);
    EXPECT_FALSE(figures->path.kinds.empty());
    EXPECT_GT(figures->bytes_per_s, 0);
    EXPECT_GT(figures->round_trip_s, 0);
    // Of one clock.
    EXPECT_LT(std::abs(figures->clock_offset_s), 1);
  }
}

TEST(MeasurePair, SaysWhoCannotBeReached) {
  const std::string address = LineListener::Listen("127.0.0.1:0")->address();
  const auto figures = MeasurePair(address, "");
  EXPECT_EQ(figures.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(figures.status().message().find(address), std::string::npos);
}

TEST(MeasurePair, RefusesAPeerThatIsNoDoctor) {
  const auto listener = LineListener::Listen("127.0.0.1:0");
  std::jthread other([&] {
    auto line = listener->Accept(std::chrono::seconds(30));
    ASSERT_TRUE(line.ok());
    EXPECT_TRUE(line->Send("220 mail.example.org").ok());
    (void)line->Receive();
  });
  EXPECT_EQ(MeasurePair(listener->address(), "").status().code(), StatusCode::kInvalidArgument);
}

TEST(LineSocket, TakesOnlyHostAndPort) {
  EXPECT_EQ(LineSocket::Dial("host").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(LineSocket::Dial(":80").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace baton::app
