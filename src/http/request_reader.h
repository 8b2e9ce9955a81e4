#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "baton/http/http_options.h"
#include "http_message.h"

namespace baton::http {

/// Reads requests from the bytes of a connection, one after the other, strictly.
/// *Threads*: lives on one thread.
class RequestReader {
 public:
  enum class Progress {
    kNeedMore,
    /// The header is whole and the client waits for "100 Continue".
    kContinue,
    kDone,
    /// Not a request that can be answered: see error_status() and error_message().
    kBroken,
  };

  explicit RequestReader(const HttpLimits& limits);
  ~RequestReader();

  /// Takes what it can use from the front of `bytes`; call again with the rest and what follows.
  /// REQUIRES: neither kDone nor kBroken was returned since the last Take.
  Progress Feed(std::string_view& bytes);

  /// Ready for the next request afterwards. REQUIRES: Feed returned kDone.
  HttpRequest Take();

  /// Some byte of a request has been read, its end not.
  bool started() const;
  bool header_done() const;
  int error_status() const;
  const std::string& error_message() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace baton::http
