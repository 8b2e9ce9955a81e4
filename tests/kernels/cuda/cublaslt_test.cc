#include "linear/cublaslt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::kernels::cuda {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A device that has no memory left.
class FullMemory final : public device::DeviceMemory {
 public:
  std::string_view name() const override { return "full"; }
  Result<device::Allocation> Allocate(size_t) override { return ResourceExhausted("full"); }
  Result<int64_t> FreeBytes() override { return 0; }
  Result<device::Allocation> AllocatePinned(size_t) override { return ResourceExhausted("full"); }
  Result<std::unique_ptr<device::CopyQueue>> MakeQueue() override { return Unavailable("none"); }
  void MakeCurrent() override {}
};

TEST(CublasLt, ThatCannotBeLoadedIsNamed) {
  FullMemory memory;
  const auto library = LoadCublasLt(memory, "libcublasLt.so.7");
  ASSERT_FALSE(library.ok());
  EXPECT_EQ(library.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(library.status().message(), HasSubstr("libcublasLt.so.7"));
}

TEST(CublasLt, ThatLacksFunctionsIsNamedWithThem) {
  FullMemory memory;
  const auto library = LoadCublasLt(memory, "libm.so.6");
  ASSERT_FALSE(library.ok());
  EXPECT_THAT(library.status().message(),
              AllOf(HasSubstr("libm.so.6"), HasSubstr("cublasLtMatmul")));
}

TEST(CublasLt, OfThisBuildHasAllThatIsUsedOfIt) {
  FullMemory memory;
  const auto library = LoadCublasLt(memory);
  ASSERT_FALSE(library.ok());
  if (library.status().code() == StatusCode::kUnavailable) {
    GTEST_SKIP() << library.status().message();
  }
  // Loaded, its functions found and its version right: only then is memory asked for.
  EXPECT_EQ(library.status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace baton::kernels::cuda
