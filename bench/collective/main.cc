// Sums over the GPUs of one host: those of Baton's kernel, which reads the peers' memory, and
// NCCL's.
//
//   collective.cuda [--json FILE]
//
// Ends with 77, saying why, where there is nothing to time; all other arguments are ignored.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "baton/device/devices.h"
#include "baton/device/peer_access.h"
#include "baton/kernels/cuda_ops.h"
#include "sums.h"

namespace baton::bench {
namespace {

constexpr int64_t kHidden = 4096;
constexpr int32_t kMostRanks = 8;
constexpr int kSkipped = 77;

struct Row {
  int64_t rows = 0;
  double own_us = 0;
  double nccl_us = 0;
};

int64_t Bytes(int64_t rows) {
  return rows * kHidden * static_cast<int64_t>(DTypeBytes(DType::kBFloat16));
}

/// The largest power of two of GPUs, at most 8.
int32_t RanksHere() {
  const auto gpus = static_cast<int32_t>(device::Devices().devices.size()) - 1;
  int32_t ranks = 1;
  while (2 * ranks <= std::min(gpus, kMostRanks)) ranks *= 2;
  return ranks;
}

Status CheckHere(int32_t ranks) {
  if (const std::string_view why = kernels::WhyNoCudaOps(); !why.empty()) {
    return Unavailable(std::string(why));
  }
  if (ranks < 2) {
    const device::DeviceList list = device::Devices();
    return Unavailable(list.no_cuda.empty() ? "there is one GPU" : list.no_cuda);
  }
  std::vector<int> devices;
  for (int rank = 0; rank < ranks; ++rank) devices.push_back(rank);
  return device::LetReachEachOther(devices);
}

/// Writes what there is, so that a run which is stopped leaves it.
bool WriteJson(const std::string& path, int32_t ranks, const std::vector<Row>& rows) {
  if (path.empty()) return true;
  std::ofstream out(path);
  const std::string op = "sum over " + std::to_string(ranks) + " GPUs";
  const auto list = [&](const char* name, const auto& write) {
    out << '"' << name << "\": [";
    for (size_t i = 0; i < rows.size(); ++i) {
      out << (i == 0 ? "\n" : ",\n") << "  {\"op\": \"" << op << "\", \"shape\": \"" << rows[i].rows
          << " rows of " << kHidden << "\", ";
      write(rows[i]);
      out << "}";
    }
    out << "]";
  };
  out << "{";
  // What each rank reads of the others', and adds.
  list("rows", [&](const Row& row) {
    out << "\"bytes\": " << Bytes(row.rows) * (ranks - 1)
        << ", \"flops\": " << row.rows * kHidden * (ranks - 1) << ", \"us\": " << row.own_us;
  });
  out << ", ";
  list("peers", [&](const Row& row) { out << "\"peer\": \"NCCL\", \"us\": " << row.nccl_us; });
  out << "}\n";
  out.close();
  return static_cast<bool>(out);
}

/// Fills `rows`, as far as it comes.
Status MeasureAll(int32_t ranks, const std::string& json, std::vector<Row>& rows) {
  const ops::Ops& ops = kernels::CudaOps();
  const int64_t most = ops.peer_sum_most_bytes(ranks, true);
  BATON_ASSIGN_OR_RETURN(const auto all, Ranks::Open(ranks, most));
  collective::CudaGroupParts parts = all->parts();
  BATON_ASSIGN_OR_RETURN(collective::Group nccl, collective::MakeNcclGroup(parts));
  parts.ops = &ops;
  BATON_ASSIGN_OR_RETURN(collective::Group own, collective::MakeNcclGroup(parts));
  for (int64_t count = 1; Bytes(count) <= most; count *= 4) {
    Row row{.rows = count};
    BATON_ASSIGN_OR_RETURN(row.own_us, all->MicrosecondsOf(own, count * kHidden));
    BATON_ASSIGN_OR_RETURN(row.nccl_us, all->MicrosecondsOf(nccl, count * kHidden));
    std::printf("sum over %d GPUs, %4ld rows of %ld: %8.2f us, NCCL %8.2f us\n", ranks, count,
                kHidden, row.own_us, row.nccl_us);
    rows.push_back(row);
    if (!WriteJson(json, ranks, rows)) return Unavailable("cannot write " + json);
  }
  return OkStatus();
}

int Run(const std::string& json) {
  const int32_t ranks = RanksHere();
  std::vector<Row> rows;
  Status status = CheckHere(ranks);
  if (status.ok()) status = MeasureAll(ranks, json, rows);
  if (status.ok()) return 0;
  std::printf("not measured: %s\n", status.message().c_str());
  return rows.empty() ? kSkipped : 1;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) {
  std::string json;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) json = argv[i + 1];
  }
  return baton::bench::Run(json);
}
