#pragma once

#include <memory>
#include <string>

#include "baton/api/frontend.h"
#include "baton/telemetry/metrics.h"
#include "baton/text/chat_template.h"
#include "baton/text/tokenizer.h"
#include "routes.h"

namespace baton::fuzz {

/// The HTTP surface without sockets: requests as they are read from a connection, answered by a
/// backend that says what it was asked. CHECKs that every answer is whole and well-formed.
class HttpWorld {
 public:
  HttpWorld();
  ~HttpWorld();

  const http::HttpLimits& limits() const { return http_options_.limits; }
  /// Answers `request` and CHECKs the answer. Returns its status, 200 for a stream.
  int Answer(http::HttpRequest request);

 private:
  class Backend;
  class OneExchange;

  http::HttpOptions http_options_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  std::unique_ptr<text::ChatTemplate> chat_template_;
  ManualClock clock_;
  telemetry::MetricRegistry metrics_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<api::Frontend> frontend_;
  std::unique_ptr<http::Routes> routes_;
};

}  // namespace baton::fuzz
