#include "baton/kernels/cpu_ops.h"

#include <span>
#include <string_view>

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

struct InstructionSet {
  std::string_view name;
  const ops::Ops& ops;
  bool (*runs)();
};

/// Fastest first.
std::span<const InstructionSet> AllSets() {
  static constexpr ops::Ops kPortable = MakeOps<cpu::PortableIsa>("cpu-portable");
  static constexpr ops::Ops kAvx2 = MakeOps<cpu::Avx2Isa>("cpu-avx2");
  static constexpr ops::Ops kAvxVnni = MakeOps<cpu::AvxVnniIsa>("cpu-avxvnni");
  static constexpr ops::Ops kAvx512 = MakeOps<cpu::Avx512Isa>("cpu-avx512");
  static constexpr ops::Ops kAvx512Vnni = MakeOps<cpu::Avx512VnniIsa>("cpu-avx512vnni");
  static constexpr ops::Ops kAvx512Bf16 = MakeOps<cpu::Avx512Bf16Isa>("cpu-avx512bf16");
  static constexpr ops::Ops kAmx = MakeOps<cpu::AmxIsa>("cpu-amx", "amx");
  static constexpr InstructionSet kSets[] = {{"amx", kAmx, cpu::RunsAmx},
                                             {"avx512bf16", kAvx512Bf16, cpu::RunsAvx512Bf16},
                                             {"avx512vnni", kAvx512Vnni, cpu::RunsAvx512Vnni},
                                             {"avx512", kAvx512, cpu::RunsAvx512},
                                             {"avxvnni", kAvxVnni, cpu::RunsAvxVnni},
                                             {"avx2", kAvx2, cpu::RunsAvx2},
                                             {"portable", kPortable, [] { return true; }}};
  return kSets;
}

}  // namespace

const ops::Ops& CpuOps() { return **CpuOpsFor(CpuInstructionSets().front()); }

Result<const ops::Ops*> CpuOpsFor(const std::string& instruction_set) {
  std::string known;
  for (const InstructionSet& set : AllSets()) {
    if (instruction_set == set.name) {
      if (set.runs()) return &set.ops;
      return Unavailable("this host's processor has no " + instruction_set);
    }
    known += (known.empty() ? "" : ", ") + std::string(set.name);
  }
  return InvalidArgument("unknown instruction set '" + instruction_set + "'; known are " + known);
}

std::vector<std::string> CpuInstructionSets() {
  std::vector<std::string> sets;
  for (const InstructionSet& set : AllSets()) {
    if (set.runs()) sets.emplace_back(set.name);
  }
  return sets;
}

}  // namespace baton::kernels
