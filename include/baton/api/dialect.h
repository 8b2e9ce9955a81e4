#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baton/api/choice.h"
#include "baton/api/completion_plan.h"
#include "baton/api/error.h"
#include "baton/api/response_writer.h"

namespace baton::api {

/// One event of a stream.
struct AnswerEvent {
  std::string name;
  /// JSON text without line breaks.
  std::string data;
};
using AnswerEvents = std::vector<AnswerEvent>;

/// Why an output of a plan ended, beyond its finish reason.
struct OutputEnd {
  Usage usage;
  /// The stop string that matched; null for none.
  const std::string* stop = nullptr;
};

/// Writes the answer to one completion. Gathers the output as it comes, so that a stream's events
/// and a whole answer say the same. *Threads*: lives on one thread.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  /// Before all others; what a stream says before there is a token.
  virtual void Begin(AnswerEvents& events) = 0;
  /// `usage` is that until now.
  virtual void Push(const ChoiceDelta& delta, const Usage& usage, AnswerEvents& events) = 0;
  /// After the delta with the finish reason.
  virtual void Finish(const OutputEnd& end, AnswerEvents& events) = 0;
  /// Instead of Finish.
  virtual void Fail(const ApiError& error, AnswerEvents& events) = 0;
  /// What a stream says when it has long said nothing; nothing for a mere comment.
  virtual std::optional<AnswerEvent> SignOfLife() const { return std::nullopt; }
  /// The answer in one piece. REQUIRES: Finish was called.
  virtual std::string Whole() const = 0;
};

/// A request in a dialect, read and found sound.
struct DialectRequest {
  CompletionPlan plan;
  /// What the answer repeats of the request: members of its JSON object, each with a comma behind.
  std::string echo;
};

struct AnswerIdentity {
  /// Of this response, unique.
  std::string id;
  /// As the client knows it.
  std::string request_id;
};

/// A form of chat requests and answers beside OpenAI's chat completions. Requests are read as the
/// chat completions that they amount to, so that each field and limit has one reader; errors name
/// the fields that the client wrote. *Threads*: immutable.
class Dialect {
 public:
  virtual ~Dialect() = default;
  virtual std::optional<ApiError> Read(std::string_view body, const ServedModel& model,
                                       DialectRequest& request) const = 0;
  /// REQUIRES: `model` and `request` outlive the writer's making, `model` the writer.
  virtual std::unique_ptr<AnswerWriter> MakeWriter(const AnswerIdentity& identity,
                                                   const ServedModel& model,
                                                   const DialectRequest& request) const = 0;
  /// The body of an answer that is only an error.
  virtual std::string Error(const ApiError& error, const std::string& request_id) const = 0;
  /// The header that tells clients the request's id, beside x-request-id; empty for none.
  virtual std::string_view request_id_header() const { return {}; }
};

/// OpenAI's Responses, of which nothing is stored.
const Dialect& ResponsesDialect();
/// Anthropic's Messages.
const Dialect& MessagesDialect();

/// Reads the body of POST /v1/messages/count_tokens. *Threads*: any.
std::optional<ApiError> ReadCountTokens(std::string_view body, const ServedModel& model,
                                        int64_t& tokens);

}  // namespace baton::api
