#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

/// fake_http PORT TOKENS [GAP_MS]: an HTTP server that answers each completion with what Baton's
/// router sends for so many tokens: a whole body, or for a request with "stream":true an event per
/// token, each in a write of its own; at once, or one every GAP_MS.
namespace {

/// Paced streams do not all speak at the same moment, but in so many turns, as fake_worker's.
constexpr size_t kTurns = 20;

std::string Chunk(const std::string& bytes) {
  char size[16];
  std::snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

std::string Event(const std::string& text, const char* finish) {
  return "data: {\"id\":\"cmpl-0123456789abcdef0123456789abcdef\",\"object\":\"text_completion\","
         "\"created\":1700000000,\"model\":\"baton-tiny\",\"choices\":[{\"index\":0,\"text\":\"" +
         text + "\",\"logprobs\":null,\"finish_reason\":" + finish + "}]}\n\n";
}

/// What is written for a request, piece by piece.
std::vector<std::string> Streamed(int tokens) {
  std::vector<std::string> pieces = {
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"};
  for (int i = 0; i < tokens; ++i)
    pieces.push_back(Chunk(Event(" a", i + 1 == tokens ? "\"length\"" : "null")));
  pieces.push_back(Chunk("data: [DONE]\n\n") + "0\r\n\r\n");
  return pieces;
}

std::vector<std::string> Whole(int tokens) {
  std::string text;
  for (int i = 0; i < tokens; ++i) text += " a";
  std::string body = Event(text, "\"length\"").substr(6);
  return {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\n\r\n" + body};
}

class Server {
 public:
  Server(int port, int tokens, int gap_ms)
      : streamed_(Streamed(tokens)), whole_(Whole(tokens)), gap_ms_(gap_ms) {
    const int one = 1;
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(listener_, 4096) != 0) {
      std::perror("fake_http");
      std::exit(1);
    }
    Watch(listener_);
    if (gap_ms_ == 0) return;
    timer_ = timerfd_create(CLOCK_MONOTONIC, 0);
    const timespec turn{.tv_sec = 0, .tv_nsec = gap_ms_ * 1'000'000L / long{kTurns}};
    const itimerspec period{.it_interval = turn, .it_value = turn};
    timerfd_settime(timer_, 0, &period, nullptr);
    Watch(timer_);
  }

  [[noreturn]] void Run() {
    std::array<epoll_event, 256> events;
    for (;;) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const int socket = events[static_cast<size_t>(i)].data.fd;
        if (socket == listener_) {
          Accept();
        } else if (socket == timer_) {
          Pace();
        } else {
          Read(socket);
        }
      }
    }
  }

 private:
  void Watch(int socket) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  }

  void Accept() {
    for (int socket; (socket = accept4(listener_, nullptr, nullptr, 0)) >= 0;) {
      const int one = 1;
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      Watch(socket);
    }
  }

  /// One request at a time on a connection, as wrk and nginx send them.
  void Read(int socket) {
    std::array<char, 16384> buffer;
    const ssize_t bytes = read(socket, buffer.data(), buffer.size());
    if (bytes <= 0) {
      requests_.erase(socket);
      paced_.erase(socket);
      close(socket);
      return;
    }
    std::string& request = requests_[socket];
    request.append(buffer.data(), static_cast<size_t>(bytes));
    const size_t head = request.find("\r\n\r\n");
    if (head == std::string::npos) return;
    const size_t length = request.find("ength: ");
    const size_t body = length < head ? std::strtoul(request.c_str() + length + 7, nullptr, 10) : 0;
    if (request.size() < head + 4 + body) return;
    const bool stream = request.find("\"stream\":true") != std::string::npos;
    request.clear();
    if (stream && gap_ms_ > 0) {
      paced_[socket] = {.turn = ++placed_ % kTurns};
      return;
    }
    for (const std::string& piece : stream ? streamed_ : whole_) {
      if (write(socket, piece.data(), piece.size()) < 0) return;
    }
  }

  struct Paced {
    size_t turn = 0;
    /// Of streamed_, to be written next.
    size_t next = 0;
  };

  /// The next event of those streams whose turn it is; the header goes with the first, and what
  /// ends the stream with the last.
  void Pace() {
    uint64_t passed = 0;
    if (read(timer_, &passed, sizeof(passed)) != sizeof(passed)) return;
    for (; passed > 0; --passed) {
      ++turn_;
      for (auto it = paced_.begin(); it != paced_.end();) {
        auto& [socket, paced] = *it;
        if (paced.turn != turn_ % kTurns) {
          ++it;
          continue;
        }
        std::string bytes = streamed_[paced.next++];
        if (paced.next == 1) bytes += streamed_[paced.next++];
        const bool last = paced.next + 1 == streamed_.size();
        if (last) bytes += streamed_[paced.next];
        const bool gone = write(socket, bytes.data(), bytes.size()) < 0;
        it = last || gone ? paced_.erase(it) : std::next(it);
      }
    }
  }

  const int epoll_ = epoll_create1(0);
  int listener_ = -1;
  int timer_ = -1;
  const std::vector<std::string> streamed_;
  const std::vector<std::string> whole_;
  const long gap_ms_;
  size_t placed_ = 0;
  size_t turn_ = 0;
  /// By socket.
  std::unordered_map<int, Paced> paced_;
  std::unordered_map<int, std::string> requests_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: fake_http PORT TOKENS [GAP_MS]\n");
    return 2;
  }
  // A client may go while it is answered.
  std::signal(SIGPIPE, SIG_IGN);
  Server(std::atoi(argv[1]), std::atoi(argv[2]), argc > 3 ? std::atoi(argv[3]) : 0).Run();
}
