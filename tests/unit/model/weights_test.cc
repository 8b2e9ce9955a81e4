#include "baton/model/weights.h"

#include <fstream>
#include <numeric>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "baton/device/host_stream.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/model/model.h"
#include "place_weights.h"
#include "support/late_device.h"
#include "support/tiny_model.h"

namespace baton::model {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryFolder;
using testing_support::WriteFile;
using testing_support::WriteTinyModel;

/// The error of a model whose config.json was changed after its tensors were written.
std::string ErrorWith(const std::map<std::string, std::string>& fields) {
  TemporaryFolder folder;
  WriteTinyModel(folder.path(), {.config_fields = fields});
  return Model::Load(folder.path()).status().message();
}

TEST(Weights, NamesMissingExtraAndMisshapenTensors) {
  EXPECT_THAT(ErrorWith({{"num_hidden_layers", "3"}}),
              HasSubstr("model.layers.2.input_layernorm.weight is missing"));
  EXPECT_THAT(ErrorWith({{"num_hidden_layers", "1"}}),
              HasSubstr("model.layers.1.input_layernorm.weight belongs to no part"));
  EXPECT_THAT(ErrorWith({{"vocab_size", "100"}}),
              HasSubstr("model.embed_tokens.weight has shape [96, 32], not [100, 32]"));
  EXPECT_THAT(ErrorWith({{"mlp_bias", "true"}}), HasSubstr("mlp.gate_proj.bias is missing"));
}

TEST(Weights, TakesATiedOutputStoredTwice) {
  EXPECT_EQ(ErrorWith({{"tie_word_embeddings", "true"}}), "");
}

TEST(Model, HasAFingerprintOfItsConfigurationAndContent) {
  TemporaryFolder folder;
  const auto fingerprint = [&](const testing_support::TinyModelOptions& options) {
    WriteTinyModel(folder.path(), options);
    return (*Model::Load(folder.path()))->fingerprint();
  };
  const std::string first = fingerprint({});
  EXPECT_EQ(first.size(), 32);
  EXPECT_EQ(fingerprint({}), first);
  EXPECT_NE(fingerprint({.seed = 2}), first);
  EXPECT_NE(fingerprint({.config_fields = {{"rope_theta", "20000.0"}}}), first);
}

/// The views' elements as float32, wherever they are.
std::vector<float> Values(const TensorView& view, device::LateDevice* device = nullptr) {
  std::vector<float> values(static_cast<size_t>(view.shape.elements()));
  const auto read = [&] {
    for (size_t i = 0; i < values.size(); ++i) {
      if (view.dtype == DType::kFloat32) {
        values[i] = static_cast<const float*>(view.data)[i];
      } else {
        values[i] = ToFloat(BFloat16{static_cast<const uint16_t*>(view.data)[i]});
      }
    }
  };
  device == nullptr ? read() : device->Touch(read);
  return values;
}

/// KiB of the file that lie in this process' memory.
size_t ResidentKib(const std::filesystem::path& file) {
  std::ifstream smaps("/proc/self/smaps");
  bool here = false;
  size_t kib = 0;
  for (std::string line; std::getline(smaps, line);) {
    if (line.find(file.string()) != std::string::npos) here = true;
    if (here && line.starts_with("Rss:")) {
      kib += std::stoul(line.substr(4));
      here = false;
    }
  }
  return kib;
}

/// A model whose output is its embedding.
class TiedWeights : public testing::Test {
 protected:
  TiedWeights() {
    WriteTinyModel(folder_.path(), {.hidden = 64, .vocabulary = 600, .tied_embeddings = true});
    config_ = *ModelConfig::Load(folder_.path(), {}, 0);
  }

  Weights Load() const { return *Weights::Load(folder_.path(), config_); }
  /// What the CPU reads as the embedding's rows.
  std::vector<float> Rows(const Weights& weights) const {
    std::vector<TokenId> tokens(static_cast<size_t>(config_.vocabulary));
    std::iota(tokens.begin(), tokens.end(), 0);
    std::vector<float> rows(tokens.size() * static_cast<size_t>(config_.hidden));
    device::HostStream stream(1);
    kernels::CpuOps().embedding({.tokens = tokens.data(),
                                 .table = weights.embedding.data,
                                 .y = rows.data(),
                                 .table_dtype = weights.embedding.dtype,
                                 .table_packing = weights.embedding_packing(),
                                 .T = config_.vocabulary,
                                 .V = config_.vocabulary,
                                 .E = config_.hidden},
                                stream);
    return rows;
  }

  TemporaryFolder folder_;
  ModelConfig config_;
};

TEST_F(TiedWeights, LeaveAtMostAFilesLastPageInMemoryOncePackedAndRead) {
  Weights weights = Load();
  const std::filesystem::path file = folder_.path() / "model.safetensors";
  const size_t page_kib = static_cast<size_t>(sysconf(_SC_PAGESIZE)) >> 10;
  ASSERT_GT(ResidentKib(file), page_kib);
  ASSERT_TRUE(weights.Pack(kernels::CpuOps(), ops::Packing::kExact, 2).ok());
  const std::vector<float> rows = Rows(weights);
  EXPECT_LE(ResidentKib(file), page_kib);
  EXPECT_EQ(rows, Values(Load().embedding));
}

TEST_F(TiedWeights, KeepTheEmbeddingWherePackingRoundsTheOutput) {
  Weights weights = Load();
  ASSERT_TRUE(weights.Pack(kernels::CpuOps(), ops::Packing::kInt8, 2).ok());
  EXPECT_NE(weights.embedding.data, weights.output.data);
  EXPECT_EQ(Rows(weights), Values(Load().embedding));
}

TEST_F(TiedWeights, KeepTheEmbeddingWhereAShardHasSomeOfTheOutput) {
  for (const int32_t rank : {0, 1}) {
    Weights weights = Load();
    weights.Narrow(config_, *Shard::Of(config_, rank, 2));
    ASSERT_TRUE(weights.Pack(kernels::CpuOps(), ops::Packing::kExact, 2).ok());
    EXPECT_EQ(Rows(weights), Values(Load().embedding)) << "rank " << rank;
  }
}

TEST(PlacedWeights, AreThoseOfTheFilesWhateverFitsIntoAStagingBuffer) {
  TemporaryFolder folder;
  WriteTinyModel(folder.path());
  const ModelConfig config = *ModelConfig::Load(folder.path(), {}, 0);
  const Weights mapped = *Weights::Load(folder.path(), config);
  for (const size_t staging_bytes : {size_t{64}, size_t{192}, size_t{1} << 20}) {
    device::LateDevice device;
    Weights placed = *Weights::Load(folder.path(), config);
    ASSERT_TRUE(placed.Place(config, {.memory = device, .staging_bytes = staging_bytes}).ok());
    EXPECT_EQ(Values(placed.embedding, &device), Values(mapped.embedding));
    EXPECT_EQ(Values(placed.layers[1].down.weight, &device), Values(mapped.layers[1].down.weight));
    EXPECT_EQ(Values(placed.final_norm, &device), Values(mapped.final_norm));
    EXPECT_EQ(Values(placed.output, &device), Values(mapped.output));
  }
}

TEST(PlacedWeights, AreRoundedToTheTypeThatTheDeviceWants) {
  TemporaryFolder folder;
  WriteTinyModel(folder.path(), {.tied_embeddings = true, .dtype = DType::kFloat32});
  const auto mapped = *Model::Load(folder.path());
  device::LateDevice device;
  const auto placed =
      *Model::Load(folder.path(), {.memory = &device, .weights_dtype = DType::kBFloat16});
  auto expected = Values(mapped->weights().layers[0].q.weight);
  for (float& value : expected) value = ToFloat(ToBFloat16(value));
  EXPECT_EQ(placed->weights().layers[0].q.weight.dtype, DType::kBFloat16);
  EXPECT_EQ(Values(placed->weights().layers[0].q.weight, &device), expected);
  EXPECT_EQ(placed->weights().output.data, placed->weights().embedding.data);
  EXPECT_EQ(placed->fingerprint(), mapped->fingerprint());
}

TEST(PlacedWeights, AreReadWhileThoseBeforeAreOnTheirWay) {
  TemporaryFolder folder;
  WriteTinyModel(folder.path());
  device::LateDevice device;
  uint64_t told = 0;
  uint64_t under_way = 0;
  ASSERT_TRUE(Model::Load(folder.path(), {.memory = &device,
                                          .on_progress =
                                              [&](int64_t, int64_t) {
                                                ++told;
                                                under_way += device.pending() > 0 ? 1 : 0;
                                              }})
                  .ok());
  EXPECT_EQ(under_way, told) << "a copy was waited for with nothing to do meanwhile";
  EXPECT_EQ(device.pending(), 0U);
}

TEST(PlacedWeights, TellHowManyBytesAreThere) {
  TemporaryFolder folder;
  WriteTinyModel(folder.path());
  device::LateDevice device;
  int64_t last = 0;
  int64_t all = 0;
  const auto model = Model::Load(
      folder.path(), {.memory = &device, .on_progress = [&](int64_t done, int64_t total) {
                        EXPECT_GT(done, last);
                        last = done;
                        all = total;
                      }});
  ASSERT_TRUE(model.ok());
  EXPECT_GT(all, 0);
  EXPECT_EQ(last, all);
}

TEST(RandomWeights, NeedNoTensorsAndAreTheSameEverywhere) {
  TemporaryFolder folder;
  WriteTinyModel(folder.path());
  const std::string mapped = (*Model::Load(folder.path()))->fingerprint();
  std::filesystem::remove(folder.path() / "model.safetensors");
  device::LateDevice device;
  const auto here = *Model::Load(folder.path(), {.random_weights = true});
  const auto there = *Model::Load(folder.path(), {.memory = &device, .random_weights = true});
  const auto values = Values(here->weights().layers[1].up.weight);
  EXPECT_EQ(values, Values(there->weights().layers[1].up.weight, &device));
  EXPECT_EQ(here->fingerprint(), there->fingerprint());
  EXPECT_NE(here->fingerprint(), mapped);
  double squares = 0;
  for (const float value : values) squares += double{value} * value;
  EXPECT_NEAR(squares / static_cast<double>(values.size()) * 32, 1, 0.1) << "variance 1 / K";
  EXPECT_EQ(Values(here->weights().final_norm), std::vector<float>(32, 1.0f));
}

TEST(Model, TakesItsEndTokensFromTheGenerationConfigFirst) {
  TemporaryFolder folder;
  WriteTinyModel(folder.path());
  EXPECT_EQ((*Model::Load(folder.path()))->eos_tokens(), std::vector<TokenId>{2});
  WriteFile(folder.path() / "generation_config.json", R"({"eos_token_id": [4, 5]})");
  EXPECT_EQ((*Model::Load(folder.path()))->eos_tokens(), (std::vector<TokenId>{4, 5}));
  WriteFile(folder.path() / "generation_config.json", R"({"eos_token_id": 96})");
  EXPECT_THAT(Model::Load(folder.path()).status().message(), HasSubstr("outside the vocabulary"));
}

}  // namespace
}  // namespace baton::model
