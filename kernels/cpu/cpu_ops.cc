#include "baton/kernels/cpu_ops.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "drivers.h"

namespace baton::kernels {
namespace {

using device::AsHost;
using device::Stream;

/// The operations of one instruction set, given by the function that returns it.
template <const cpu::Isa& (*isa)()>
constexpr ops::Ops MakeOps(const char* name, const char* arithmetic = "") {
  return {
      .name = name,
      .arithmetic = arithmetic,
      .embedding = [](const ops::EmbeddingParams& p,
                      Stream& stream) { cpu::Embedding(isa(), p, AsHost(stream)); },
      .rms_norm = [](const ops::RmsNormParams& p,
                     Stream& stream) { cpu::RmsNorm(isa(), p, AsHost(stream)); },
      .linear = [](const ops::LinearParams& p,
                   Stream& stream) { cpu::Linear(isa(), p, AsHost(stream)); },
      .packed_bytes = cpu::PackedBytes,
      .pack_linear = [](const ops::PackLinearParams& p,
                        Stream& stream) { cpu::PackLinear(isa(), p, AsHost(stream)); },
      .rope_kv_write = [](const ops::RopeKvWriteParams& p,
                          Stream& stream) { cpu::RopeKvWrite(isa(), p, AsHost(stream)); },
      .paged_attention = [](const ops::PagedAttentionParams& p,
                            Stream& stream) { cpu::PagedAttention(isa(), p, AsHost(stream)); },
      .silu_mul = [](const ops::GatedActivationParams& p,
                     Stream& stream) { cpu::SiluMul(isa(), p, AsHost(stream)); },
      .gelu_mul = [](const ops::GatedActivationParams& p,
                     Stream& stream) { cpu::GeluMul(isa(), p, AsHost(stream)); },
      .soft_cap = [](const ops::SoftCapParams& p,
                     Stream& stream) { cpu::SoftCap(isa(), p, AsHost(stream)); },
      .gather_rows = [](const ops::GatherRowsParams& p,
                        Stream& stream) { cpu::GatherRows(p, AsHost(stream)); },
      .gather_kv = [](const ops::KvRunsParams& p,
                      Stream& stream) { cpu::GatherKv(p, AsHost(stream)); },
      .scatter_kv = [](const ops::KvRunsParams& p,
                       Stream& stream) { cpu::ScatterKv(p, AsHost(stream)); },
      .sample = [](const ops::SampleParams& p,
                   Stream& stream) { cpu::Sample(isa(), p, AsHost(stream)); },
  };
}

}  // namespace

const ops::Ops& CpuOps() { return **CpuOpsFor(CpuInstructionSets().front()); }

Result<const ops::Ops*> CpuOpsFor(const std::string& instruction_set) {
  static constexpr ops::Ops kPortable = MakeOps<cpu::PortableIsa>("cpu-portable");
  static constexpr ops::Ops kAvx2 = MakeOps<cpu::Avx2Isa>("cpu-avx2");
  static constexpr ops::Ops kAvxVnni = MakeOps<cpu::AvxVnniIsa>("cpu-avxvnni");
  static constexpr ops::Ops kAvx512 = MakeOps<cpu::Avx512Isa>("cpu-avx512");
  static constexpr ops::Ops kAvx512Vnni = MakeOps<cpu::Avx512VnniIsa>("cpu-avx512vnni");
  static constexpr ops::Ops kAvx512Bf16 = MakeOps<cpu::Avx512Bf16Isa>("cpu-avx512bf16");
  static constexpr ops::Ops kAmx = MakeOps<cpu::AmxIsa>("cpu-amx", "amx");
  static constexpr std::pair<std::string_view, const ops::Ops*> kTables[] = {
      {"amx", &kAmx},          {"avx512bf16", &kAvx512Bf16}, {"avx512vnni", &kAvx512Vnni},
      {"avx512", &kAvx512},    {"avxvnni", &kAvxVnni},       {"avx2", &kAvx2},
      {"portable", &kPortable}};
  for (const auto& [name, table] : kTables) {
    if (instruction_set != name) continue;
    const std::vector<std::string> here = CpuInstructionSets();
    if (std::find(here.begin(), here.end(), name) != here.end()) return table;
    return Unavailable("this host's processor has no " + instruction_set);
  }
  return InvalidArgument(
      "unknown instruction set '" + instruction_set +
      "'; known are amx, avx512bf16, avx512vnni, avx512, avxvnni, avx2, portable");
}

std::vector<std::string> CpuInstructionSets() {
  std::vector<std::string> sets;
  if (cpu::RunsAmx()) sets.emplace_back("amx");
  if (cpu::RunsAvx512Bf16()) sets.emplace_back("avx512bf16");
  if (cpu::RunsAvx512Vnni()) sets.emplace_back("avx512vnni");
  if (cpu::RunsAvx512()) sets.emplace_back("avx512");
  if (cpu::RunsAvxVnni()) sets.emplace_back("avxvnni");
  if (cpu::RunsAvx2()) sets.emplace_back("avx2");
  sets.emplace_back("portable");
  return sets;
}

}  // namespace baton::kernels
