#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "baton/kernels/cuda_ops.h"
#include "measure.h"
#include "survive.h"

namespace baton::bench {
namespace {

struct Options {
  /// Only operations whose name holds this.
  std::string name;
  std::string json;
};

/// Of a case; where processes share it.
struct Outcome {
  bool measured = false;
  Measurement measurement;
  /// Why it was not; empty: it was, or nobody came so far.
  char reason[256] = {};
};

/// What all processes know.
struct Findings {
  char gpu[128] = {};
  double copy = 0;
};

struct Row {
  const Case* benchmark = nullptr;
  Outcome* outcome = nullptr;
};

template <size_t kBytes>
void Write(const std::string& text, char (&to)[kBytes]) {
  std::snprintf(to, kBytes, "%s", text.c_str());
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

void PrintHeader() {
  std::printf("%-22s %-40s %10s %8s %8s %8s %8s\n", "operation", "shape", "us", "spread", "GB/s",
              "of copy", "TFLOP/s");
}

void Print(const Row& row, double copy) {
  const Case& c = *row.benchmark;
  const Outcome& outcome = *row.outcome;
  if (!outcome.measured) {
    std::printf("%-22s %-40s not measured%s%s\n", c.op.c_str(), c.shape.c_str(),
                *outcome.reason == 0 ? "" : ": ", outcome.reason);
    return;
  }
  const Measurement& measured = outcome.measurement;
  const double seconds = measured.microseconds * 1e-6;
  std::printf("%-22s %-40s %10.2f %7.1f%% %8.0f %7.0f%% %8.1f\n", c.op.c_str(), c.shape.c_str(),
              measured.microseconds, 100 * measured.spread, c.bytes / seconds * 1e-9,
              100 * c.bytes / seconds / copy, c.flops / seconds * 1e-12);
}

/// Writes every case, with times where it has them: again after each, so that a run which is
/// stopped leaves what it measured.
bool WriteJson(const std::string& path, const Findings& findings, const std::vector<Row>& rows) {
  if (path.empty()) return true;
  const std::string unfinished = path + ".new";
  std::ofstream out(unfinished);
  out << "{\"gpu\": " << Quoted(findings.gpu) << ", \"copy_bytes_per_s\": " << findings.copy
      << ", \"rows\": [";
  for (size_t i = 0; i < rows.size(); ++i) {
    const Case& c = *rows[i].benchmark;
    const Outcome& outcome = *rows[i].outcome;
    out << (i == 0 ? "\n" : ",\n") << "  {\"op\": " << Quoted(c.op)
        << ", \"shape\": " << Quoted(c.shape) << ", \"bytes\": " << c.bytes
        << ", \"flops\": " << c.flops;
    if (outcome.measured) {
      out << ", \"us\": " << outcome.measurement.microseconds
          << ", \"spread\": " << outcome.measurement.spread;
    }
    if (*outcome.reason != 0) out << ", \"reason\": " << Quoted(outcome.reason);
    out << "}";
  }
  out << "\n]}\n";
  out.close();
  return out && std::rename(unfinished.c_str(), path.c_str()) == 0;
}

void MeasureOrSayWhyNot(const Row& row, device::CudaStream& stream) {
  const Case& c = *row.benchmark;
  if (const Status can = c.check ? c.check(stream) : OkStatus(); !can.ok()) {
    Write(can.message(), row.outcome->reason);
    return;
  }
  row.outcome->measurement = Measure(c, stream);
  row.outcome->measured = true;
}

/// In a process of its own, from a row on.
int MeasureFrom(size_t from, size_t& under_way, const std::vector<Row>& rows, Findings& findings,
                const std::string& json) {
  const auto stream = kernels::WhyNoCudaOps().empty()
                          ? device::OpenCudaStream(0)
                          : Unavailable(std::string(kernels::WhyNoCudaOps()));
  if (!stream.ok()) {
    for (const Row& row : rows) Print(row, 0);
    std::printf("NO GPU HERE: %s\n", stream.status().message().c_str());
    return WriteJson(json, findings, rows) ? 0 : 1;
  }
  if (findings.copy == 0) {
    findings.copy = CopyBytesPerSecond(**stream);
    Write(DeviceName(), findings.gpu);
  }
  bool written = WriteJson(json, findings, rows);
  for (under_way = from; under_way < rows.size(); ++under_way) {
    MeasureOrSayWhyNot(rows[under_way], **stream);
    Print(rows[under_way], findings.copy);
    written = WriteJson(json, findings, rows) && written;
  }
  std::printf("%s: a copy within the device moves %.0f GB/s, read and written\n", findings.gpu,
              findings.copy * 1e-9);
  if (written) return 0;
  std::fprintf(stderr, "cannot write %s\n", json.c_str());
  return 1;
}

int Run(const Options& options) {
  std::vector<Case> cases;
  for (const auto& source : {AttentionCases(), LinearCases(), PeerSumCases(), PrefillCases(),
                             RowCases(), SampleCases()}) {
    cases.insert(cases.end(), source.begin(), source.end());
  }
  std::erase_if(cases, [&](const Case& c) { return c.op.find(options.name) == std::string::npos; });
  auto& findings = *reinterpret_cast<Findings*>(SharedBytes(sizeof(Findings)));
  auto* outcomes =
      reinterpret_cast<Outcome*>(SharedBytes(std::max<size_t>(cases.size(), 1) * sizeof(Outcome)));
  std::vector<Row> rows;
  for (const Case& c : cases) rows.push_back({.benchmark = &c, .outcome = outcomes + rows.size()});
  PrintHeader();
  bool crashed = false;
  const int status = Survive(
      rows.size(),
      [&](size_t from, size_t& under_way) {
        return MeasureFrom(from, under_way, rows, findings, options.json);
      },
      [&](size_t which, const std::string& how) {
        crashed = true;
        Write(how, rows[which].outcome->reason);
        Print(rows[which], findings.copy);
        WriteJson(options.json, findings, rows);
      });
  return crashed ? 1 : status;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) {
  baton::bench::Options options;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      options.json = argv[++i];
    } else {
      options.name = argv[i];
    }
  }
  return baton::bench::Run(options);
}
