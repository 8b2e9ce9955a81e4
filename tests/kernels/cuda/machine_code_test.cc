#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/cubin.h"

namespace baton::kernels::cuda {
namespace {

using testing::IsEmpty;

/// What a kernel must be made of, by a part of its name; the first row that fits counts.
struct Expectation {
  const char* part;
  bool hgmma = false;
  bool utmaldg = false;
  bool hmma = false;
  bool usetmaxreg = false;
  /// It begins before the kernels before it have ended, and waits for them.
  bool early = false;
  /// How many special functions must run beside products.
  int overlapped = 0;
  /// Why it may use local memory; empty: it may not.
  const char* local_memory = "";
};

constexpr Expectation kExpectations[] = {
    {.part = "AttendItems<", .hmma = true, .early = true},
    {.part = "SkinnyColumns<", .hmma = true, .early = true},
    {.part = "AdjustLogits(", .early = true},
    {.part = "FindLargest<", .early = true},
    {.part = "FillBins<", .early = true},
    {.part = "FillProofRows("},
    {.part = "PoisonProofRows<"},
    {.part = "CountProofErrors<"},
    {.part = "ClearProofErrors("},
    {.part = "CutRow(", .early = true},
    {.part = "SumKept(", .early = true},
    {.part = "PickToken(", .early = true},
    {.part = "ListLikeliest(", .early = true},
    {.part = "CapAll<", .early = true},
    {.part = "CopyRuns<"},
    {.part = "EmbedRows<", .early = true},
    {.part = "GateRows<", .early = true},
    {.part = "GatherUnits<", .early = true},
    {.part = "SumOverPeers<"},
    {.part = "MergeSplits<", .early = true},
    {.part = "NormHeadRows(", .early = true},
    {.part = "NormWideRows<", .early = true},
    {.part = "RopeTokens<", .early = true},
    // A softmax of 64 keys, 128 otherwise: two instructions for a capped score and one for each.
    {.part = "paged_prefill::(anonymous namespace)::Prefill<256>",
     .hgmma = true,
     .utmaldg = true,
     .usetmaxreg = true,
     .overlapped = 3 * 32},
    {.part = "paged_prefill::",
     .hgmma = true,
     .utmaldg = true,
     .usetmaxreg = true,
     .overlapped = 3 * 64},
    {.part = "wgmma_gemm::", .hgmma = true, .utmaldg = true, .usetmaxreg = true},
};

const std::vector<KernelCode>& Kernels() {
  static const std::vector<KernelCode> kernels = ReadKernelCode(BATON_CUDA_KERNELS);
  return kernels;
}

bool Fits(const Expectation& expectation, const KernelCode& kernel) {
  return kernel.name.find(expectation.part) != std::string::npos;
}

const Expectation* Expected(const KernelCode& kernel) {
  const auto found = std::find_if(std::begin(kExpectations), std::end(kExpectations),
                                  [&](const Expectation& e) { return Fits(e, kernel); });
  return found == std::end(kExpectations) ? nullptr : found;
}

TEST(MachineCode, IsListedForEveryKernelAndOnlyForKernels) {
  ASSERT_FALSE(Kernels().empty());
  for (const KernelCode& kernel : Kernels()) {
    EXPECT_NE(Expected(kernel), nullptr) << kernel.name << " has no row in the table";
  }
  for (const Expectation& expectation : kExpectations) {
    EXPECT_TRUE(std::any_of(Kernels().begin(), Kernels().end(),
                            [&](const KernelCode& kernel) { return Fits(expectation, kernel); }))
        << "no kernel is named " << expectation.part;
  }
}

TEST(MachineCode, HoldsTheMatrixAndCopyInstructionsOfItsKernels) {
  for (const KernelCode& kernel : Kernels()) {
    const Expectation* expected = Expected(kernel);
    if (expected == nullptr) continue;
    EXPECT_EQ(kernel.hgmma > 0, expected->hgmma) << kernel.name << ": warpgroup products";
    EXPECT_EQ(kernel.utmaldg > 0, expected->utmaldg) << kernel.name << ": tensor copies";
    EXPECT_EQ(kernel.hmma > 0, expected->hmma) << kernel.name << ": warp products";
    EXPECT_EQ(kernel.usetmaxreg > 0, expected->usetmaxreg) << kernel.name << ": registers moved";
    EXPECT_EQ(kernel.preexit > 0, expected->early) << kernel.name << ": leave for the next";
    EXPECT_EQ(kernel.acqbulk > 0, expected->early) << kernel.name << ": waits for those before";
    EXPECT_GE(kernel.overlapped, expected->overlapped) << kernel.name << ": waits too early";
  }
}

TEST(MachineCode, UsesLocalMemoryOnlyWhereThatIsExplained) {
  for (const KernelCode& kernel : Kernels()) {
    const Expectation* expected = Expected(kernel);
    if (expected != nullptr && *expected->local_memory != '\0') continue;
    EXPECT_EQ(kernel.stack_bytes, 0U) << kernel.name;
    EXPECT_EQ(kernel.local, 0) << kernel.name;
  }
}

TEST(MachineCode, OfAPlantedObjectIsReadAsItsToolsReadIt) {
  const std::vector<KernelCode> kernels = ReadKernelCode(BATON_PLANTED_CODE);
  ASSERT_EQ(kernels.size(), 1U);
  EXPECT_EQ(kernels[0].name, "MadeOfEverything(float*, CUtensorMap_st, int, unsigned int const*)");
  EXPECT_EQ(kernels[0].hgmma, 1);
  EXPECT_EQ(kernels[0].utmaldg, 1);
  EXPECT_EQ(kernels[0].hmma, 1);
  EXPECT_EQ(kernels[0].ldgsts, 1);
  EXPECT_EQ(kernels[0].usetmaxreg, 1);
  EXPECT_EQ(kernels[0].preexit, 1);
  EXPECT_EQ(kernels[0].acqbulk, 1);
  EXPECT_EQ(kernels[0].overlapped, 1);
  EXPECT_GT(kernels[0].local, 1);
  EXPECT_EQ(kernels[0].stack_bytes, 256U);
  EXPECT_GT(kernels[0].registers, 16);
}

}  // namespace
}  // namespace baton::kernels::cuda
