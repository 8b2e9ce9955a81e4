#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "../resolver.h"
#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/config/config.h"

namespace baton::discovery {

/// Hears an answer as it comes. *Threads*: that of ApiClient::Get().
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  virtual void OnHead(int http_status) = 0;
  /// A piece of the body. What is not OK ends the answer.
  virtual Status OnBody(std::string_view bytes) = 0;
  /// Does what is due, while nothing comes; returns when to be called again at the latest.
  virtual Duration Tick() = 0;
};

/// Asks an API server over HTTPS, each time on a connection of its own. *Threads*: lives on one
/// thread, which waits for answers, but for Stop().
class ApiClient {
 public:
  struct Question {
    /// Path and query.
    std::string target;
    std::string token;
    /// For how long the body may come.
    Duration patience;
  };

  /// `authority_file`, in PEM, is read for each question. A question ends once `stop` is set and
  /// Stop() called. `resolver` and `stop` outlive this.
  ApiClient(config::HttpsServer server, std::string authority_file, Resolver& resolver,
            const std::atomic<bool>& stop);
  ~ApiClient();

  /// Returns once the answer has ended as it should, whatever its HTTP status. Fails with
  /// Unavailable where the server cannot be reached or does not answer whole, with
  /// FailedPrecondition where it is not trusted, with what the reader returned, or with Cancelled.
  Status Get(const Question& question, AnswerReader& reader);
  /// Of any thread.
  void Stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::discovery
