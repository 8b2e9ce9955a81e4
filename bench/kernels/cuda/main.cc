#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>

#include "baton/kernels/cuda_ops.h"
#include "measure.h"

namespace baton::bench {
namespace {

struct Options {
  /// Only operations whose name holds this.
  std::string name;
  std::string json;
};

struct Row {
  const Case* benchmark = nullptr;
  /// Nothing until it was measured.
  std::optional<Measurement> measured;
  /// Why it cannot be.
  std::string reason = {};
};

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
  const Measurement measured = row.measured.value_or(Measurement{});
  const double seconds = measured.microseconds * 1e-6;
  std::printf("%-22s %-40s %10.2f %7.1f%% %8.0f %7.0f%% %8.1f\n", c.op.c_str(), c.shape.c_str(),
              measured.microseconds, 100 * measured.spread, c.bytes / seconds * 1e-9,
              100 * c.bytes / seconds / copy, c.flops / seconds * 1e-12);
}

/// Writes every case, with times where it has them: again after each, so that a run which is
/// stopped leaves what it measured.
bool WriteJson(const std::string& path, const std::string& gpu, const std::vector<Row>& rows,
               double copy) {
  if (path.empty()) return true;
  const std::string unfinished = path + ".new";
  std::ofstream out(unfinished);
  out << "{\"gpu\": " << Quoted(gpu) << ", \"copy_bytes_per_s\": " << copy << ", \"rows\": [";
  for (size_t i = 0; i < rows.size(); ++i) {
    const Case& c = *rows[i].benchmark;
    out << (i == 0 ? "\n" : ",\n") << "  {\"op\": " << Quoted(c.op)
        << ", \"shape\": " << Quoted(c.shape) << ", \"bytes\": " << c.bytes
        << ", \"flops\": " << c.flops;
    if (rows[i].measured) {
      out << ", \"us\": " << rows[i].measured->microseconds
          << ", \"spread\": " << rows[i].measured->spread;
    }
    if (!rows[i].reason.empty()) out << ", \"reason\": " << Quoted(rows[i].reason);
    out << "}";
  }
  out << "\n]}\n";
  out.close();
  return out && std::rename(unfinished.c_str(), path.c_str()) == 0;
}

void MeasureOrSayWhyNot(Row& row, device::CudaStream& stream, double copy) {
  const Case& c = *row.benchmark;
  if (const Status can = c.check ? c.check(stream) : OkStatus(); !can.ok()) {
    row.reason = can.message();
    std::printf("%-22s %-40s not measured: %s\n", c.op.c_str(), c.shape.c_str(),
                row.reason.c_str());
    return;
  }
  row.measured = Measure(c, stream);
  Print(row, copy);
}

int Run(const Options& options) {
  std::vector<Case> cases;
  for (const auto& source : {AttentionCases(), LinearCases(), PeerSumCases(), PrefillCases(),
                             RowCases(), SampleCases()}) {
    cases.insert(cases.end(), source.begin(), source.end());
  }
  std::erase_if(cases, [&](const Case& c) { return c.op.find(options.name) == std::string::npos; });
  const auto stream = kernels::WhyNoCudaOps().empty()
                          ? device::OpenCudaStream(0)
                          : Unavailable(std::string(kernels::WhyNoCudaOps()));
  std::vector<Row> rows;
  for (const Case& c : cases) rows.push_back({.benchmark = &c, .measured = std::nullopt});
  PrintHeader();
  if (!stream.ok()) {
    for (const Case& c : cases) {
      std::printf("%-22s %-40s not measured\n", c.op.c_str(), c.shape.c_str());
    }
    std::printf("NO GPU HERE: %s\n", stream.status().message().c_str());
    return WriteJson(options.json, "", rows, 0) ? 0 : 1;
  }
  const double copy = CopyBytesPerSecond(**stream);
  bool written = WriteJson(options.json, DeviceName(), rows, copy);
  for (Row& row : rows) {
    MeasureOrSayWhyNot(row, **stream, copy);
    written = WriteJson(options.json, DeviceName(), rows, copy) && written;
  }
  std::printf("%s: a copy within the device moves %.0f GB/s, read and written\n",
              DeviceName().c_str(), copy * 1e-9);
  if (written) return 0;
  std::fprintf(stderr, "cannot write %s\n", options.json.c_str());
  return 1;
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
