#include "baton/app/port_reservation.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace baton::app {
namespace {

/// A socket bound to the port and, if that worked, listening.
bool CanListen(int32_t port, bool reuse_address) {
  const FileDescriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = reuse_address ? 1 : 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
         listen(fd.get(), 1) == 0;
}

TEST(PortReservation, LetsAServerThatReusesAddressesListenAgainAndAgain) {
  const Result<PortReservation> reservation = PortReservation::Take("127.0.0.1");
  ASSERT_TRUE(reservation.ok()) << reservation.status();
  EXPECT_TRUE(CanListen(reservation->port(), true));
  EXPECT_TRUE(CanListen(reservation->port(), true));
}

TEST(PortReservation, KeepsThePortFromOthers) {
  const Result<PortReservation> reservation = PortReservation::Take("127.0.0.1");
  ASSERT_TRUE(reservation.ok()) << reservation.status();
  EXPECT_FALSE(CanListen(reservation->port(), false));
}

TEST(PortReservation, GivesEachItsOwnPort) {
  const Result<PortReservation> first = PortReservation::Take("127.0.0.1");
  const Result<PortReservation> second = PortReservation::Take("127.0.0.1");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first->port(), second->port());
}

TEST(PortReservation, RefusesWhatIsNoAddress) {
  const Result<PortReservation> reservation = PortReservation::Take("no.such.host");
  ASSERT_FALSE(reservation.ok());
  EXPECT_EQ(reservation.status().message(),
            "'no.such.host' is not an address to listen on, e.g. 127.0.0.1");
}

}  // namespace
}  // namespace baton::app
