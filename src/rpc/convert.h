#pragma once

#include <span>

#include <grpcpp/support/status.h>

#include "baton/rpc/messages.h"
#include "baton/v1/worker.pb.h"

/// Between protobuf and Baton's own types. From* check what they read: a peer may be another build.
namespace baton::rpc {

grpc::Status ToGrpc(const Status& status);
/// What did not come from ToGrpc() is an error of the connection, and so of the worker behind it.
Status FromGrpc(const grpc::Status& status);

void ToProto(const WorkerDescription& from, v1::WorkerDescription* to);
Result<WorkerDescription> FromProto(const v1::WorkerDescription& from);

void ToProto(const JoinHello& from, v1::JoinHello* to);
Result<JoinHello> FromProto(const v1::JoinHello& from);

void ToProto(const GenerateCall& from, v1::GenerateRequest* to);
GenerateCall FromProto(const v1::GenerateRequest& from);

void ToProto(const TokenOutput& from, v1::Token* to);
TokenOutput FromProto(const v1::Token& from);

/// A part of a prompt's, to be put together in order. Tokens do not carry them.
void ToProto(std::span<const PromptLogprob> from, v1::PromptLogprobs* to);
void AppendFromProto(const v1::PromptLogprobs& from, PromptLogprobs& to);

void ToProto(const GenerateReport& from, v1::Report* to);
/// Without the traces that are none.
GenerateReport FromProto(const v1::Report& from);

void ToProto(const WorkerStatus& from, v1::WorkerStatus* to);
WorkerStatus FromProto(const v1::WorkerStatus& from);

}  // namespace baton::rpc
