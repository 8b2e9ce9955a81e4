#include "readiness_report.h"

#include <algorithm>

#include "baton/text/utf8.h"

namespace baton::http {
namespace {

/// On a line of its own whatever a worker or a resolver said.
std::string OnOneLine(std::string_view text) {
  std::string line = text::ToValidUtf8(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
  return line;
}

void AppendChecks(const std::vector<api::ReadinessCheck>& checks, std::string& out) {
  for (const api::ReadinessCheck& check : checks) {
    const bool well = check.problem.empty();
    out += (well ? "[+]" : "[-]") + OnOneLine(check.name);
    out += well ? " ok\n" : " failed: " + OnOneLine(check.problem) + "\n";
  }
}

}  // namespace

bool IsVerbose(std::string_view query) {
  while (!query.empty()) {
    const std::string_view field = query.substr(0, query.find('&'));
    if (field.substr(0, field.find('=')) == "verbose") return true;
    query.remove_prefix(std::min(field.size() + 1, query.size()));
  }
  return false;
}

HttpResponse ReadinessReport(const api::Readiness& readiness,
                             const std::vector<api::ReadinessCheck>& more) {
  HttpResponse response;
  response.status = readiness.ready ? 200 : 503;
  response.content_type = "text/plain; charset=utf-8";
  AppendChecks(readiness.checks, response.body);
  AppendChecks(more, response.body);
  response.body += readiness.ready ? "readyz check passed\n" : "readyz check failed\n";
  return response;
}

}  // namespace baton::http
