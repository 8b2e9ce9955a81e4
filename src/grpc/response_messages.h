#pragma once

#include <optional>
#include <string>
#include <vector>

#include "baton/api/choice.h"
#include "baton/api/response_writer.h"
#include "baton/v1/completion.pb.h"

namespace baton::grpc {

/// Writes answers as protobuf messages, as api::ResponseWriter does as JSON. *Threads*: immutable.
class MessageWriter {
 public:
  /// REQUIRES: `tokenizer` outlives this.
  MessageWriter(api::ResponseIdentity identity, bool logprobs, const text::Tokenizer& tokenizer)
      : identity_(std::move(identity)), logprobs_(logprobs), tokenizer_(tokenizer) {}

  /// What is new of a choice, or the whole of it.
  void Add(int index, const api::ChoiceDelta& delta, v1::CompleteResponse& to) const;
  void Add(int index, const api::ChoiceDelta& delta, v1::ChatResponse& to) const;
  void Add(int index, const api::ChoiceDelta& delta, v1::ChatChunk& to) const;
  /// What opens a choice of a chat.
  void AddRole(int index, v1::ChatChunk& to) const;

  /// What every answer and chunk says of itself.
  template <typename Response>
  Response Begin() const {
    Response response;
    response.set_id(identity_.id);
    response.set_created(identity_.created_unix_s);
    response.set_model(identity_.model);
    response.set_system_fingerprint(identity_.system_fingerprint);
    return response;
  }

 private:
  template <typename Choice>
  void AddTail(const api::ChoiceDelta& delta, Choice& to) const;
  void AddRecords(const std::vector<api::TokenRecord>& records,
                  google::protobuf::RepeatedPtrField<v1::DrawnToken>& to) const;

  const api::ResponseIdentity identity_;
  const bool logprobs_;
  const text::Tokenizer& tokenizer_;
};

v1::Usage ToProto(const api::Usage& usage);
v1::Timings ToProto(const api::Timings& timings);

}  // namespace baton::grpc
