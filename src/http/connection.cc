#include "connection.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <netinet/tcp.h>

#include "baton/base/logging.h"
#include "error_response.h"

namespace baton::http {

namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

/// Requests that may wait behind the one being answered; beyond it the client is not read.
constexpr size_t kPipelinedBytes = size_t{64} << 10;
/// For a client to take an answer after which the connection ends.
constexpr Duration kLinger = std::chrono::seconds(1);

/// What a connection keeps of its output's memory for the next.
constexpr size_t kKeptBytes = size_t{16} << 10;

/// "5\r\nhello\r\n".
void AppendChunk(std::string& out, std::string_view bytes) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), bytes.size(), 16).ptr;
  out.append(digits, end).append("\r\n").append(bytes).append("\r\n");
}

}  // namespace

/// Holds the connection weakly: it must not outlive the I/O threads because a sink does.
class Connection::ToStrand final : public api::StrandLink {
 public:
  ToStrand(std::shared_ptr<PostGate> gate, std::weak_ptr<Connection> connection)
      : gate_(std::move(gate)), connection_(std::move(connection)) {}

  void Post(std::function<void()> work) override {
    gate_->IfOpen([&] {
      if (auto connection = connection_.lock()) {
        const auto executor = connection->socket_.get_executor();
        asio::post(executor, [connection = std::move(connection), work = std::move(work)] {
          connection->Turn(work);
        });
      }
    });
  }

 private:
  const std::shared_ptr<PostGate> gate_;
  const std::weak_ptr<Connection> connection_;
};

Connection::Connection(Socket socket, std::unique_ptr<TlsSession> tls, const ConnectionSetup& setup,
                       std::function<void()> on_closed)
    : socket_(std::move(socket)),
      tls_(std::move(tls)),
      setup_(setup),
      on_closed_(std::move(on_closed)),
      reader_(setup.options.limits),
      deadline_(socket_.get_executor()),
      call_timer_(socket_.get_executor()) {}

void Connection::Start() {
  asio::dispatch(socket_.get_executor(), [self = shared_from_this()] {
    ErrorCode error;
    self->socket_.non_blocking(true, error);
    self->socket_.set_option(asio::ip::tcp::no_delay(true), error);
    self->NoticeDeadPeers();
    self->AwaitMore();
    self->Read();
  });
}

/// A host that vanishes says nothing: its connection ends once it acknowledges nothing for as long
/// as a client may take to read.
void Connection::NoticeDeadPeers() {
  using std::chrono::duration_cast;
  const Duration timeout = setup_.options.limits.write_timeout;
  const int timeout_ms =
      static_cast<int>(duration_cast<std::chrono::milliseconds>(timeout).count());
  ErrorCode error;
  socket_.set_option(asio::socket_base::keep_alive(true), error);
  // Best effort: without it the kernel's own, longer patience holds.
  (void)setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                   sizeof(timeout_ms));
}

void Connection::Drain() {
  asio::dispatch(socket_.get_executor(), [self = shared_from_this()] {
    self->keep_alive_ = false;
    if (!self->answering_ && !self->reader_.started() && self->pending_.empty()) self->Close();
  });
}

void Connection::Abort() {
  asio::dispatch(socket_.get_executor(), [self = shared_from_this()] { self->Close(); });
}

std::shared_ptr<api::StrandLink> Connection::Link() {
  return std::make_shared<ToStrand>(setup_.gate, weak_from_this());
}

// Reading

void Connection::Read() {
  if (reading_ || read_closed_ || closed_ || pending_.size() >= kPipelinedBytes) return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(chunk_),
                          [self = shared_from_this()](ErrorCode error, size_t bytes) {
                            self->reading_ = false;
                            self->Turn([&] {
                              if (error) return self->OnReadClosed(error == asio::error::eof);
                              self->OnRead(bytes);
                            });
                          });
}

void Connection::OnRead(size_t bytes) {
  std::string_view arrived(chunk_.data(), bytes);
  if (tls_) arrived = Decrypt(arrived);
  if (closed_) return;
  if (!lingering_) {
    pending_.append(arrived);
    if (!answering_) Advance();
  }
  if (tls_ && !closed_ && tls_->state() == TlsSession::State::kClosed)
    return OnReadClosed(/*orderly=*/true);
  Read();
}

std::string_view Connection::Decrypt(std::string_view bytes) {
  plain_.clear();
  tls_->Receive(bytes, plain_);
  output_ += tls_->TakeOutput();
  if (tls_->state() == TlsSession::State::kBroken) {
    // With the reason.
    Flush();
    Close();
  }
  return plain_;
}

void Connection::OnReadClosed(bool orderly) {
  read_closed_ = true;
  // A client that closes while a completion runs has given up. A short answer that is already
  // being written may still be read by one that only closed its sending side.
  if (orderly && answering_ && !call_) return;
  Close();
}

void Connection::Advance() {
  while (!answering_ && !closed_ && !lingering_) {
    std::string_view bytes = pending_;
    const RequestReader::Progress progress = reader_.Feed(bytes);
    pending_.erase(0, pending_.size() - bytes.size());
    switch (progress) {
      case RequestReader::Progress::kNeedMore: return AwaitMore();
      case RequestReader::Progress::kContinue: said() += "HTTP/1.1 100 Continue\r\n\r\n"; break;
      case RequestReader::Progress::kBroken:
        return Refuse(reader_.error_status(), reader_.error_message(), "bad_request");
      case RequestReader::Progress::kDone: Answer(reader_.Take()); break;
    }
  }
}

/// A phase's time starts with the phase; more bytes do not extend it.
void Connection::AwaitMore() {
  if (read_closed_) return Close();
  const HttpLimits& limits = setup_.options.limits;
  const bool shaking = tls_ && tls_->state() == TlsSession::State::kHandshake;
  const ReadPhase phase = shaking                 ? ReadPhase::kHandshake
                          : reader_.header_done() ? ReadPhase::kBody
                          : reader_.started()     ? ReadPhase::kHeader
                                                  : ReadPhase::kIdle;
  if (phase == read_phase_) return;
  read_phase_ = phase;
  if (phase == ReadPhase::kHandshake)
    return SetDeadline(limits.header_timeout, [this] { Close(); });
  if (phase == ReadPhase::kIdle) return SetDeadline(limits.idle_timeout, [this] { Close(); });
  SetDeadline(phase == ReadPhase::kBody ? limits.body_timeout : limits.header_timeout,
              [this] { Refuse(408, "the request took too long to arrive", "request_timeout"); });
}

void Connection::Answer(HttpRequest request) {
  deadline_set_++;
  read_phase_ = ReadPhase::kNone;
  answering_ = true;
  answer_ended_ = false;
  request_id_ = request.request_id.empty() ? setup_.ids.Next() : request.request_id;
  request.request_id = request_id_;
  if (!request.prefill_pick.endpoint.empty()) request.prefill_pick.trusted = PeerIsTrusted();
  path_ = request.path;
  span_ = setup_.handler.OpenSpanOf(request);
  trace_response_ = span_ ? Traceparent(request.context) : "";
  head_only_ = request.method == "HEAD";
  keep_alive_ = request.keep_alive && !setup_.running.draining();
  chunked_ = request.chunks_allowed;
  try {
    setup_.handler.Handle(std::move(request), *this);
  } catch (const std::exception& error) {
    BATON_LOG(Error) << "request " << request_id_ << ": failed: " << error.what();
    keep_alive_ = false;
    Send(ErrorResponse({500, "the server could not handle the request", {}, "internal_error"}));
  }
}

bool Connection::PeerIsTrusted() const {
  const std::vector<IpNetwork>& trusted = setup_.options.trusted_peers;
  if (trusted.empty()) return false;
  ErrorCode error;
  const std::string address = socket_.remote_endpoint(error).address().to_string();
  return !error && std::ranges::any_of(trusted, [&](const IpNetwork& network) {
    return network.Contains(address);
  });
}

void Connection::Refuse(int status, const std::string& message, const std::string& code) {
  answering_ = true;
  answer_ended_ = keep_alive_ = head_only_ = false;
  request_id_ = setup_.ids.Next();
  path_.clear();
  trace_response_.clear();
  Send(ErrorResponse({status, message, {}, code}));
}

// Answering

std::vector<HttpHeader> Connection::CommonHeaders(std::string content_type) const {
  std::vector<HttpHeader> headers = {{"Content-Type", std::move(content_type)},
                                     {"x-request-id", request_id_}};
  if (!trace_response_.empty()) headers.push_back({"traceresponse", trace_response_});
  headers.push_back({"Connection", keep_alive_ ? "keep-alive" : "close"});
  return headers;
}

void Connection::CountAnswer(int status) {
  setup_.handler.CountAnswer(path_, status);
  if (!span_) return;
  span_->Set("http.response.status_code", int64_t{status});
  // What the client is to blame for is no error of ours.
  if (status >= 500) span_->Fail(std::to_string(status));
}

void Connection::Send(HttpResponse response) {
  if (closed_ || answer_ended_) return;
  std::vector<HttpHeader> headers = CommonHeaders(std::move(response.content_type));
  headers.push_back({"Content-Length", std::to_string(response.body.size())});
  for (HttpHeader& header : response.headers) headers.push_back(std::move(header));
  CountAnswer(response.status);
  said() += ResponseHead(response.status, setup_.clock.UnixSeconds(), headers) + "\r\n";
  if (!head_only_) said() += response.body;
  answer_ended_ = true;
}

void Connection::BeginStream(std::string content_type, std::vector<HttpHeader> headers) {
  if (closed_) return;
  // HTTP/1.0 knows the end of a stream by the end of the connection.
  if (!chunked_) keep_alive_ = false;
  std::vector<HttpHeader> all = CommonHeaders(std::move(content_type));
  if (chunked_) all.push_back({"Transfer-Encoding", "chunked"});
  for (HttpHeader& header : headers) all.push_back(std::move(header));
  CountAnswer(200);
  said() += ResponseHead(200, setup_.clock.UnixSeconds(), all) + "\r\n";
}

void Connection::Write(std::string_view bytes) {
  if (closed_ || answer_ended_ || bytes.empty()) return;
  if (chunked_) {
    AppendChunk(said(), bytes);
  } else {
    said() += bytes;
  }
  const size_t limit = setup_.options.limits.write_backlog_bytes;
  if (backlog_bytes() <= limit) return;
  Flush();
  if (closed_ || backlog_bytes() <= limit) return;
  BATON_LOG(Info) << "request " << request_id_ << ": the client reads too slowly, dropped";
  Close();
}

void Connection::EndStream(bool keep_alive) {
  if (closed_ || answer_ended_) return;
  keep_alive_ = keep_alive_ && keep_alive;
  answer_ended_ = true;
  if (chunked_) said() += "0\r\n\r\n";
}

template <typename Work>
void Connection::Turn(Work work) {
  if (closed_) return;
  work();
  Flush();
  // Here, not where it is written: the caller may be the call that this ends.
  while (answer_ended_ && !closed_ && backlog_bytes() == 0) {
    FinishAnswer();
    Flush();
  }
}

void Connection::Flush() {
  if (closed_ || awaiting_writable_) return;
  if (!unsealed_.empty()) {
    tls_->Send(unsealed_);
    unsealed_.clear();
    output_ += tls_->TakeOutput();
  }
  for (std::string_view rest = output_; !rest.empty();) {
    ErrorCode error;
    const size_t bytes = socket_.write_some(asio::buffer(rest), error);
    if (error == asio::error::would_block) {
      output_.erase(0, output_.size() - rest.size());
      return AwaitWritable();
    }
    if (error) return Close();
    rest.remove_prefix(bytes);
  }
  for (std::string* done : {&output_, &unsealed_}) {
    done->clear();
    if (done->capacity() > kKeptBytes) done->shrink_to_fit();
  }
}

void Connection::AwaitWritable() {
  awaiting_writable_ = true;
  if (answering_) SetDeadline(setup_.options.limits.write_timeout, [this] { Close(); });
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](ErrorCode error) {
    self->awaiting_writable_ = false;
    self->Turn([&] {
      if (error) return self->Close();
      if (self->answering_) self->deadline_set_++;
    });
  });
}

void Connection::FinishAnswer() {
  call_.reset();
  span_.reset();
  call_timer_set_++;
  call_timer_.cancel();
  answering_ = answer_ended_ = false;
  if (!keep_alive_) return Linger();
  Advance();
  Read();
}

void Connection::SayGoodbye() {
  if (!tls_ || backlog_bytes() > 0) return;
  tls_->SayGoodbye();
  const std::string bytes = tls_->TakeOutput();
  ErrorCode ignored;
  if (!bytes.empty()) socket_.write_some(asio::buffer(bytes), ignored);
}

void Connection::Linger() {
  SayGoodbye();
  ErrorCode error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error || read_closed_) return Close();
  lingering_ = true;
  pending_.clear();
  SetDeadline(kLinger, [this] { Close(); });
  Read();
}

void Connection::Close() {
  if (std::exchange(closed_, true)) return;
  SayGoodbye();
  call_.reset();
  if (span_) span_->Fail("client_closed");
  span_.reset();
  output_.clear();
  unsealed_.clear();
  deadline_.cancel();
  call_timer_.cancel();
  ErrorCode error;
  socket_.close(error);
  on_closed_();
}

// Time

void Connection::SetDeadline(Duration timeout, std::function<void()> on_expiry) {
  deadline_.expires_after(timeout);
  deadline_.async_wait([self = shared_from_this(), set = ++deadline_set_,
                        on_expiry = std::move(on_expiry)](ErrorCode error) {
    if (!error && set == self->deadline_set_) self->Turn(on_expiry);
  });
}

void Connection::SetTimer(Duration delay, std::function<void()> run) {
  if (closed_) return;
  call_timer_.expires_after(delay);
  call_timer_.async_wait(
      [self = shared_from_this(), set = ++call_timer_set_, run = std::move(run)](ErrorCode error) {
        if (!error && set == self->call_timer_set_) self->Turn(run);
      });
}

}  // namespace baton::http
