#include "../readers.h"
#include "baton/api/dialect.h"
#include "responses_writer.h"

namespace baton::api {

namespace {

class Responses final : public Dialect {
 public:
  std::optional<ApiError> Read(std::string_view body, const ServedModel& model,
                               DialectRequest& request) const override {
    Json object;
    if (auto error = ParseBody(body, model.options.limits.json_depth, object)) return error;
    JsonFields fields(object);
    ChatTranslation chat;
    TranslateResponses(fields, chat);
    if (auto error = ReadTranslated(fields, chat, model, request.plan)) return error;
    request.echo = EchoOfResponses(fields, request.plan);
    return std::nullopt;
  }

  std::unique_ptr<AnswerWriter> MakeWriter(const AnswerIdentity& identity, const ServedModel& model,
                                           const DialectRequest& request) const override {
    return std::make_unique<ResponsesWriter>(identity, model, request);
  }

  std::string Error(const ApiError& error, const std::string&) const override {
    return ErrorJson(error);
  }
};

}  // namespace

const Dialect& ResponsesDialect() {
  static const Responses dialect;
  return dialect;
}

}  // namespace baton::api
