#include "baton/loadgen/report.h"
#include "page_template.h"

namespace baton::loadgen {
namespace {

/// In the template, where the reports come.
constexpr std::string_view kMark = "[/*reports*/]";

/// JSON that no browser takes for the end of the script that holds it.
void AppendForScript(std::string& out, const std::string& json) {
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
}

}  // namespace

std::string ReportPage(const std::vector<std::string>& reports) {
  const std::string_view page = PageTemplate();
  const size_t at = page.find(kMark);
  std::string out(page.substr(0, at));
  out += '[';
  for (size_t i = 0; i < reports.size(); ++i) {
    if (i > 0) out += ',';
    AppendForScript(out, reports[i]);
  }
  out += ']';
  out += page.substr(at + kMark.size());
  return out;
}

}  // namespace baton::loadgen
