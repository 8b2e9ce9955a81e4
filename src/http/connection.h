#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "baton/api/id_source.h"
#include "baton/api/running_calls.h"
#include "exchange.h"
#include "post_gate.h"
#include "request_reader.h"
#include "tls.h"

namespace baton::http {

/// What all connections of a server share.
struct ConnectionSetup {
  const HttpOptions& options;
  RequestHandler& handler;
  api::RunningCalls& running;
  api::IdSource& ids;
  const Clock& clock;
  std::shared_ptr<PostGate> gate;
  /// The listener's; null without TLS.
  TlsContext* tls;
};

/// One client: reads its requests one after the other, and always reads, so that a client that goes
/// away is noticed at once whatever its request is doing.
/// *Threads*: lives on the strand that is its socket's executor.
/// *Ownership*: by the work it waits for; it ends when the socket is closed.
class Connection final : public Exchange, public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  /// `on_closed` is called once, on the strand. REQUIRES: `setup` outlives the I/O threads.
  /// `tls` is null where the client speaks plainly.
  Connection(Socket socket, std::unique_ptr<TlsSession> tls, const ConnectionSetup& setup,
             std::function<void()> on_closed);

  /// These three may be called from any thread.
  void Start();
  /// Closes when no request is under way, else after the answer.
  void Drain();
  /// Closes at once.
  void Abort();

  void Send(HttpResponse response) override;
  void BeginStream(std::string content_type, std::vector<HttpHeader> headers) override;
  void Write(std::string_view bytes) override;
  void EndStream(bool keep_alive) override;
  void Attach(std::shared_ptr<ActiveCall> call) override { call_ = std::move(call); }
  std::shared_ptr<api::StrandLink> Link() override;
  void SetTimer(Duration delay, std::function<void()> run) override;

 private:
  class ToStrand;
  /// What the client is waited for; each phase has its own deadline.
  enum class ReadPhase { kNone, kHandshake, kIdle, kHeader, kBody };

  void NoticeDeadPeers();
  void Read();
  void OnRead(size_t bytes);
  /// What the `bytes` that were read say.
  std::string_view Decrypt(std::string_view bytes);
  void OnReadClosed(bool orderly);
  /// Reads requests from what has arrived, until one has to be answered.
  void Advance();
  void AwaitMore();
  void Answer(HttpRequest request);
  bool PeerIsTrusted() const;
  /// Answers what could not be read as a request, and ends the connection.
  void Refuse(int status, const std::string& message, const std::string& code);
  /// Everything that happens to a connection is a turn: `work`, and then what it wrote is sent.
  template <typename Work>
  void Turn(Work work);
  /// Where to append what the client is to be told.
  std::string& said() { return tls_ ? unsealed_ : output_; }
  size_t backlog_bytes() const { return output_.size() + unsealed_.size(); }
  /// Tells a client with TLS that no more comes, if it takes that at once.
  void SayGoodbye();
  /// Sends what the socket takes at once.
  void Flush();
  void AwaitWritable();
  void FinishAnswer();
  /// Closes our side and lets the client read the answer before the socket goes.
  void Linger();
  void Close();
  /// Ends the connection with `on_expiry` unless called again before.
  void SetDeadline(Duration timeout, std::function<void()> on_expiry);
  std::vector<HttpHeader> CommonHeaders(std::string content_type) const;
  void CountAnswer(int status);

  Socket socket_;
  const std::unique_ptr<TlsSession> tls_;
  const ConnectionSetup& setup_;
  const std::function<void()> on_closed_;
  RequestReader reader_;
  boost::asio::steady_timer deadline_;
  boost::asio::steady_timer call_timer_;
  uint64_t deadline_set_ = 0;
  uint64_t call_timer_set_ = 0;

  std::array<char, 32768> chunk_;
  /// What chunk_ says, with TLS.
  std::string plain_;
  /// Read, not yet used: part of a header, or requests sent before the answer to this one.
  std::string pending_;
  /// For the client, not yet sent.
  std::string output_;
  /// With TLS: what is to become output_.
  std::string unsealed_;

  ReadPhase read_phase_ = ReadPhase::kNone;
  bool reading_ = false;
  bool read_closed_ = false;
  bool awaiting_writable_ = false;
  /// A request has been taken and its answer is not fully written.
  bool answering_ = false;
  /// All of the answer is in output_.
  bool answer_ended_ = false;
  bool lingering_ = false;
  bool closed_ = false;

  /// Of the request being answered.
  std::shared_ptr<ActiveCall> call_;
  std::string request_id_;
  std::string path_;
  /// Null where the request has none.
  std::unique_ptr<telemetry::OpenSpan> span_;
  /// Where its trace goes on here; empty without a span.
  std::string trace_response_;
  bool head_only_ = false;
  bool keep_alive_ = false;
  bool chunked_ = false;
};

}  // namespace baton::http
