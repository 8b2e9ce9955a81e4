#include <utility>

#include "completion_answer.h"
#include "sse.h"

namespace baton::http {

void EventAnswer::OnStart() {
  exchange().SetTimer(options().route_wait, Guard([this] { BeginStream({}); }));
}

void EventAnswer::BeginStream(const std::string& route) {
  if (std::exchange(begun_, true)) return;
  std::vector<HttpHeader> headers = Headers();
  headers.push_back({"Cache-Control", "no-cache"});
  headers.push_back({"X-Accel-Buffering", "no"});
  if (!route.empty()) headers.push_back({"x-baton-route", route});
  exchange().BeginStream("text/event-stream; charset=utf-8", std::move(headers));
  OnBegun();
  ArmKeepAlive();
}

std::string EventAnswer::SignOfLife() const { return std::string(kSseKeepAlive); }

void EventAnswer::WriteRaw(std::string_view event) {
  wrote_ = true;
  exchange().Write(event);
}

/// One tick per interval, not one timer per token: silence lasts one to two intervals.
void EventAnswer::ArmKeepAlive() {
  wrote_ = false;
  exchange().SetTimer(options().keep_alive_interval, Guard([this] {
                        if (!wrote_) WriteRaw(SignOfLife());
                        ArmKeepAlive();
                      }));
}

}  // namespace baton::http
