#include <bit>
#include <cstring>

#include "baton/kernels/cuda_ops.h"
#include "measure.h"

/// Sampling from logits spread like a language model's.
namespace baton::bench {
namespace {

using device::Stream;
using kernels::CudaOps;

constexpr int64_t kVocabulary = 128256;
constexpr int64_t kTopStride = 20;

/// Floats as the words that DeviceSet copies. Normal, of deviation 2.5; the same again after a
/// while.
float* Logits(int64_t n, DeviceSet& set) {
  constexpr size_t kPeriod = 1000003;
  Random random(3);
  std::vector<int32_t> words(static_cast<size_t>(n));
  for (size_t i = 0; i < words.size(); ++i) {
    if (i >= kPeriod) {
      words[i] = words[i - kPeriod];
      continue;
    }
    double sum = -6;
    for (int k = 0; k < 12; ++k) sum += random.Uniform();
    words[i] = std::bit_cast<int32_t>(static_cast<float>(2.5 * sum));
  }
  return reinterpret_cast<float*>(set.Ints(words));
}

std::byte* Plan(const std::vector<ops::SampleRow>& rows, ops::SampleStages& stages,
                DeviceSet& set) {
  const auto R = static_cast<int64_t>(rows.size());
  std::vector<std::byte> plan(CudaOps().sample_plan_bytes(rows.data(), R, kVocabulary));
  const ops::SamplePlan planned = CudaOps().plan_sample(rows.data(), R, kVocabulary, plan.data());
  stages = planned.stages;
  std::vector<int32_t> words(planned.bytes / sizeof(int32_t));
  std::memcpy(words.data(), plan.data(), words.size() * sizeof(int32_t));
  return reinterpret_cast<std::byte*>(set.Ints(words));
}

Case SampleCase(const char* name, int64_t R, const ops::SampleRow& setting) {
  return {.op = std::string("sample: ") + name,
          .shape = "R " + std::to_string(R) + " V " + std::to_string(kVocabulary),
          .bytes = 4.0 * static_cast<double>(R * kVocabulary),
          .prepare = [R, setting](DeviceSet& set) {
            std::vector<ops::SampleRow> rows(static_cast<size_t>(R), setting);
            for (size_t r = 0; r < rows.size(); ++r) rows[r].position = static_cast<int64_t>(r);
            ops::SampleParams p{.logits = Logits(R * kVocabulary, set), .R = R, .V = kVocabulary};
            p.plan = Plan(rows, p.stages, set);
            p.scratch =
                set.Bytes(static_cast<int64_t>(CudaOps().sample_scratch_bytes(R, kVocabulary)));
            const auto token_bytes = static_cast<int64_t>(sizeof(ops::SampledToken));
            p.out = reinterpret_cast<ops::SampledToken*>(set.Bytes(R * token_bytes));
            p.top = reinterpret_cast<ops::SampledToken*>(set.Bytes(R * kTopStride * token_bytes));
            p.top_stride = kTopStride;
            return [p](Stream& stream) { CudaOps().sample(p, stream); };
          }};
}

}  // namespace

std::vector<Case> SampleCases() {
  std::vector<Case> cases;
  for (const int64_t R : {1, 64, 256}) {
    cases.push_back(SampleCase("greedy", R, {.temperature = 0}));
    cases.push_back(SampleCase("temperature", R, {.temperature = 0.8f}));
    cases.push_back(SampleCase("top_p 0.9", R, {.temperature = 0.8f, .top_p = 0.9f}));
    cases.push_back(
        SampleCase("top_k 50, top_p", R, {.temperature = 0.8f, .top_k = 50, .top_p = 0.9f}));
    cases.push_back(SampleCase("hot, top_p 0.999", R, {.temperature = 3, .top_p = 0.999f}));
    cases.push_back(SampleCase("5 log-probabilities", R, {.temperature = 0.8f, .logprobs = 5}));
  }
  return cases;
}

}  // namespace baton::bench
