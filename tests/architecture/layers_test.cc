#include <fstream>

#include "architecture/tree.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::architecture {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path kRoot = BATON_SOURCE_DIR;
const fs::path kLayers = fs::path(BATON_BINARY_DIR) / "layers.txt";

TEST(Tree, HoldsEveryRule) {
  const std::vector<std::string> files = ListFiles(kRoot);
  ASSERT_GT(files.size(), 50U);
  for (const std::string& breach : CheckTree(kRoot, files, ReadModules(kLayers))) {
    ADD_FAILURE() << breach;
  }
}

TEST(Tree, DeclaresTheModulesThatTheReadmeLists) {
  const fs::path readme = kRoot / "src/README.md";
  if (!fs::exists(readme)) GTEST_SKIP() << "src/README.md is not written yet";
  EXPECT_THAT(CheckModuleTable(readme, ReadModules(kLayers)), IsEmpty());
}

/// A tree of three modules in a folder of its own: kv below scheduler and model.
class PlantedTree : public testing::Test {
 protected:
  PlantedTree() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(BATON_BINARY_DIR) / "planted" / test->name();
    fs::remove_all(root_);
    Plant("layers.txt",
          "0 base src/base\n"
          "1 text src/text base\n"
          "2 kv src/kv base\n"
          "2 kernels_cpu kernels/cpu base\n"
          "3 scheduler src/scheduler base kv\n"
          "3 model src/model base kv\n");
    modules_ = ReadModules(root_ / "layers.txt");
    fs::remove(root_ / "layers.txt");
  }
  ~PlantedTree() override { fs::remove_all(root_); }

  void Plant(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }

  std::vector<std::string> Breaches() const { return CheckTree(root_, ListFiles(root_), modules_); }

  fs::path root_;
  Modules modules_;
};

TEST_F(PlantedTree, IsCleanWhenIncludesPointDown) {
  Plant("include/baton/kv/block_pool.h", "#include <vector>\n#include \"baton/base/ids.h\"\n");
  Plant("src/kv/pool_map.h", "#include <sys/mman.h>\n");
  Plant("src/kv/block_pool.cc", "#include \"baton/kv/block_pool.h\"\n#include \"pool_map.h\"\n");
  Plant("src/base/log.cc", "#include <spdlog/spdlog.h>\n");
  Plant("tests/unit/kv/block_pool_test.cc",
        "#include <gtest/gtest.h>\n#include \"src/kv/pool_map.h\"\n");
  EXPECT_THAT(Breaches(), IsEmpty());
}

TEST_F(PlantedTree, RefusesAnIncludeOfAHigherLayer) {
  Plant("src/kv/block_pool.cc", "\n#include \"baton/scheduler/scheduler.h\"\n");
  EXPECT_THAT(Breaches(),
              ElementsAre("src/kv/block_pool.cc:2: 'kv' of layer 2 may not include 'scheduler' of "
                          "layer 3"));
}

TEST_F(PlantedTree, RefusesAnIncludeOfTheSameLayer) {
  Plant("include/baton/model/model.h", "#include \"baton/scheduler/scheduler.h\"\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("'model' of layer 3 may not include 'scheduler'")));
}

TEST_F(PlantedTree, RefusesATestThatReachesAboveItsModule) {
  Plant("tests/unit/kv/block_pool_test.cc", "#include \"baton/model/model.h\"\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("'kv' of layer 2 may not include 'model'")));
}

TEST_F(PlantedTree, RefusesKernelsThatReachUp) {
  Plant("kernels/cpu/gemm.cc", "#include \"baton/model/model.h\"\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("'kernels' of layer 2 may not include 'model'")));
}

TEST_F(PlantedTree, RefusesALowerModuleThatIsNotDeclared) {
  Plant("src/model/model.cc", "#include \"baton/text/tokenizer.h\"\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("does not declare it in DEPENDS")));
}

TEST_F(PlantedTree, RefusesAPrivateHeaderOfAnotherModule) {
  Plant("src/kv/pool_map.h", "");
  Plant("src/model/model.cc", "#include \"../kv/pool_map.h\"\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("a private header of another module")));
}

TEST_F(PlantedTree, RefusesATestThatOpensAnotherModule) {
  Plant("src/kv/pool_map.h", "");
  Plant("tests/unit/kv/pool_map_test.cc", "#include \"pool_map.h\"\n");
  Plant("tests/unit/model/model_test.cc", "#include \"pool_map.h\"\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("tests/unit/model/model_test.cc:1: includes")));
}

TEST_F(PlantedTree, RefusesABenchmarkThatOpensAnotherModule) {
  Plant("src/kv/pool_map.h", "");
  Plant("bench/kv/pool_map_bench.cc", "#include \"pool_map.h\"\n");
  Plant("bench/model/model_bench.cc", "#include \"pool_map.h\"\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("bench/model/model_bench.cc:1: includes")));
}

TEST_F(PlantedTree, RefusesTestSupportInTheProduct) {
  Plant("tests/support/fake_clock.h", "");
  Plant("src/model/model.cc", "#include \"support/fake_clock.h\"\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("of the tests")));
}

TEST_F(PlantedTree, RefusesAFolderThatNoModuleDeclares) {
  Plant("src/scratch/a.cc", "");
  Plant("src/scratch/b.cc", "");
  EXPECT_THAT(Breaches(), ElementsAre("src/scratch: belongs to no declared module"));
}

TEST_F(PlantedTree, RefusesALibraryOutsideItsDoor) {
  Plant("src/kv/block_pool.cc", "#include <spdlog/spdlog.h>\n");
  Plant("src/model/model.cc", "#include \"ucp/api/ucp.h\"\n");
  Plant("src/scheduler/scheduler.cc", "#include \"handoff.grpc.pb.h\"\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("is spdlog; its door is src/base"),
                                      HasSubstr("is UCX; its door is src/transport/ucx"),
                                      HasSubstr("is gRPC; its door is src/grpc src/rpc")));
}

TEST_F(PlantedTree, RefusesALibraryInAPublicHeaderOfItsDoor) {
  Plant("include/baton/base/logging.h", "#include <spdlog/spdlog.h>\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("include/baton/base/logging.h:1: ")));
}

TEST_F(PlantedTree, RefusesALibraryWithoutADoor) {
  Plant("src/kv/block_pool.cc", "#include <folly/Format.h>\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("is of no known library")));
}

TEST_F(PlantedTree, RefusesAJunkDrawer) {
  Plant("src/kv/utils/strings.h", "");
  EXPECT_THAT(Breaches(), ElementsAre("src/kv/utils: is a junk drawer by its name"));
}

TEST_F(PlantedTree, RefusesNamesThatAreNotSnakeCase) {
  Plant("src/kv/BlockPool.h", "");
  Plant("src/kv/block_pool.cpp", "");
  EXPECT_THAT(Breaches(), ElementsAre("src/kv/BlockPool.h: file names are snake_case",
                                      HasSubstr("sources end in .h, .cc, .cu or .cuh")));
}

TEST_F(PlantedTree, RefusesUnknownEntriesOfTheRoot) {
  Plant("notes.txt", "");
  Plant("lib/a.txt", "");
  EXPECT_THAT(Breaches(), ElementsAre("lib: is no known entry of the root",
                                      "notes.txt: is no known entry of the root"));
}

TEST_F(PlantedTree, RefusesAPathOfOneMachine) {
  Plant("configs/local.yaml", std::string("model: /") + "home/ada/model\nurl: a/" + "home/b\n");
  EXPECT_THAT(Breaches(), ElementsAre(HasSubstr("configs/local.yaml:1: names a path")));
}

TEST_F(PlantedTree, RefusesAnOperationWhoseContractIsIncomplete) {
  const std::string most =
      "/// y = x.\n/// Shapes: [T]. Types: any. Layout: dense.\n"
      "/// Errors: none. Cost: T. Accuracy: exact. Source: none.\n";
  Plant("kernels/cuda/copy/copy.h", most + "struct CopyParams {\n  int T = 0;\n};\n");
  Plant("kernels/cuda/move/move.h", "/// Stream: enqueues only.\nvoid Move();\n");
  Plant("kernels/cuda/keep/keep.h", most + "/// Stream: enqueues only.\nstruct KeepParams {\n};\n");
  EXPECT_THAT(Breaches(),
              ElementsAre("kernels/cuda/copy/copy.h:4: a contract says nothing of Stream:",
                          "kernels/cuda/move/move.h:2: a contract says nothing of Shapes: Types: "
                          "Layout: Errors: Cost: Accuracy: Source:"));
}

TEST_F(PlantedTree, KnowsTheModulesThatATableLeavesOut) {
  Plant("src/README.md",
        "| Layer | Module |\n|---|---|\n| 0 | `base` | x |\n| 1 | text | y |\n| 3 | `kv` | z |\n");
  EXPECT_THAT(CheckModuleTable(root_ / "src/README.md", modules_),
              ElementsAre(HasSubstr("| 2 | `kv` |"), HasSubstr("| 3 | `model` |"),
                          HasSubstr("| 3 | `scheduler` |")));
}

}  // namespace
}  // namespace baton::architecture
