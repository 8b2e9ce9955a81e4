#include "report_files.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "baton/loadgen/report.h"

namespace baton::app {
namespace {

/// A field that is a text; empty where it is none.
std::string TextOf(const nlohmann::ordered_json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Result<std::string> ReadRun(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!(text << in.rdbuf())) return InvalidArgument("--compare " + path + ": cannot be read");
  auto json = nlohmann::ordered_json::parse(text.str(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || TextOf(json, "schema") != loadgen::kReportSchema) {
    return InvalidArgument("--compare " + path + ": is no file that --json wrote");
  }
  // What no plot shows.
  json.erase("records");
  if (TextOf(json, "label").empty()) json["label"] = std::filesystem::path(path).stem().string();
  return json.dump();
}

}  // namespace

Status CheckWritable(const char* flag, const std::string& path) {
  if (path.empty() || std::ofstream(path, std::ios::app)) return OkStatus();
  return InvalidArgument(std::string(flag) + " " + path +
                         ": cannot be written; name a file in a folder that exists");
}

Status WriteReport(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  return out ? OkStatus() : Unavailable(path + ": cannot be written");
}

Status CompareRuns(const std::vector<std::string>& files, const std::string& page) {
  BATON_RETURN_IF_ERROR(CheckWritable("--html", page));
  std::vector<std::string> reports;
  for (const std::string& file : files) {
    BATON_ASSIGN_OR_RETURN(std::string report, ReadRun(file));
    reports.push_back(std::move(report));
  }
  return WriteReport(page, loadgen::ReportPage(reports));
}

}  // namespace baton::app
