#include <cstdio>

#include <nlohmann/json.hpp>

#include "baton/app/commands.h"
#include "baton/base/gate.h"
#include "baton/loadgen/stream_client.h"

namespace baton::app {
namespace {

/// Between two looks at how far the change is.
constexpr Duration kPulse = std::chrono::milliseconds(200);

using Json = nlohmann::json;

Result<Json> ReadBody(const CommandLine& command) {
  const ScaleFlags& flags = command.scale;
  Json body{{"drain_s", flags.drain_s}, {"timeout_s", flags.timeout_s}, {"dry_run", flags.dry_run}};
  for (const std::string& text : flags.counts) {
    const size_t equals = std::min(text.find('='), text.size());
    const std::string name = text.substr(0, equals);
    const std::string digits = text.substr(std::min(equals + 1, text.size()));
    const bool number = !digits.empty() && digits.size() < 6 &&
                        digits.find_first_not_of("0123456789") == std::string::npos;
    if (!ParseRole(name).ok() || !number || body.contains(name)) {
      return InvalidArgument("'" + text +
                             "': write each role once, e.g. prefill=3 decode=1 mixed=0");
    }
    body[name] = std::stoi(digits);
  }
  return body;
}

/// Where operators reach the router of this configuration from its own host.
std::string OperatorsUrl(const config::Router& router) {
  const auto here = [](const std::string& host) {
    if (host == "0.0.0.0") return std::string("127.0.0.1");
    if (host == "::" || host == "[::]") return std::string("[::1]");
    return host.find(':') != std::string::npos && host.front() != '[' ? "[" + host + "]" : host;
  };
  if (router.admin_port != 0) {
    return "http://" + here(router.admin_host) + ":" + std::to_string(router.admin_port);
  }
  return (router.tls_certificate.empty() ? "http://" : "https://") + here(router.host) + ":" +
         std::to_string(router.port);
}

/// The object that the router answers, or what it says instead.
Result<Json> Ask(loadgen::StreamClient& client, loadgen::HttpCall call) {
  BATON_ASSIGN_OR_RETURN(const loadgen::HttpReply reply, loadgen::Fetch(client, std::move(call)));
  const Json answer = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  if (reply.status == 200 && answer.is_object()) return answer;
  if (answer.is_object() && answer.contains("error") && answer["error"].is_object()) {
    const Json& message = answer["error"].value("message", Json());
    if (message.is_string()) {
      return Status(reply.status == 400 ? StatusCode::kInvalidArgument : StatusCode::kUnavailable,
                    message.get<std::string>());
    }
  }
  return Unavailable("it answered with status " + std::to_string(reply.status) +
                     "; is that Baton's router, and its admin port where it has one?");
}

/// Prints the sentences that were not printed before. False once nothing more will come.
Result<bool> PrintNews(const Json& state, size_t& printed) {
  const Json lines = state.value("lines", Json::array());
  for (; printed < lines.size(); ++printed) {
    if (lines[printed].is_string()) std::puts(lines[printed].get<std::string>().c_str());
  }
  std::fflush(stdout);
  if (state.value("under_way", false)) return true;
  const Json error = state.value("error", Json());
  if (error.is_string()) return Aborted(error.get<std::string>());
  return false;
}

Result<std::string> UrlOf(const CommandLine& command) {
  if (command.sources.file.empty()) return command.scale.url;
  const Result<config::Loaded> loaded = config::LoadConfig(command.sources);
  if (!loaded.ok()) return loaded.status();
  return OperatorsUrl(loaded->config.router);
}

Status Scale(const CommandLine& command) {
  BATON_ASSIGN_OR_RETURN(const Json body, ReadBody(command));
  BATON_ASSIGN_OR_RETURN(const std::string url, UrlOf(command));
  BATON_ASSIGN_OR_RETURN(const auto client, loadgen::MakeCurlClient({.url = url}));
  BATON_ASSIGN_OR_RETURN(Json state, Ask(*client, {.path = "/scale", .body = body.dump()}));
  const Json number = state.value("number", Json(0));
  size_t printed = 0;
  Gate pause;
  while (true) {
    BATON_ASSIGN_OR_RETURN(const bool more, PrintNews(state, printed));
    if (!more) return OkStatus();
    pause.Wait(kPulse);
    BATON_ASSIGN_OR_RETURN(state, Ask(*client, {.path = "/scale/state"}));
    if (state.value("number", Json(0)) != number) {
      return Aborted("another change has begun since; see the router's log");
    }
  }
}

}  // namespace

int RunScale(const CommandLine& command) {
  const Status status = Scale(command);
  if (status.ok()) return kExitOk;
  std::fprintf(stderr, "baton: %s\n", status.message().c_str());
  return ExitCode(status);
}

}  // namespace baton::app
