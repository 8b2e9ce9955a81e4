#include "baton/loadgen/stream_client.h"

namespace baton::loadgen {
namespace {

class WholeReply final : public CallHandler {
 public:
  void OnBytes(int, std::string_view bytes) override { reply_.body += bytes; }
  void OnEnd(const CallEnd& end) override {
    reply_.status = end.http_status;
    if (!end.error.empty()) status_ = Unavailable(end.message);
    ended_ = true;
  }
  bool ended() const { return ended_; }
  Result<HttpReply> Take() {
    if (!status_.ok()) return status_;
    return std::move(reply_);
  }

 private:
  HttpReply reply_;
  Status status_;
  bool ended_ = false;
};

}  // namespace

Result<HttpReply> Fetch(StreamClient& client, HttpCall call) {
  WholeReply reply;
  client.Start(std::move(call), reply);
  while (!reply.ended()) client.Wait(std::chrono::seconds(1));
  return reply.Take();
}

Result<std::string> BaseUrl(const std::string& url) {
  std::string base = url;
  const size_t scheme = base.find("://");
  const bool known = base.starts_with("http://") || base.starts_with("https://");
  if (scheme != std::string::npos && known && base.size() > scheme + 3) {
    while (base.ends_with('/')) base.pop_back();
    if (base.ends_with("/v1")) base.resize(base.size() - 3);
    if (base.size() > scheme + 3 && base.find_first_of(" ?#") == std::string::npos) return base;
  }
  return InvalidArgument("'" + url + "' is no URL of a server; write e.g. http://127.0.0.1:8000");
}

}  // namespace baton::loadgen
