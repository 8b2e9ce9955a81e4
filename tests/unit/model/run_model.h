#pragma once

#include <cstring>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/device/host_memory.h"
#include "baton/device/host_stream.h"
#include "baton/model/model.h"

namespace baton::model {

/// One sequence through Model::Forward, on blocks in an order that hides no bug.
class RunModel {
 public:
  RunModel(const Model& model, const ops::Ops& ops, DType kv_dtype, int threads = 1,
           collective::Communicator* communicator = nullptr)
      : model_(model),
        ops_(ops),
        stream_(threads),
        communicator_(communicator),
        workspace_(*Workspace::Create(model.config(), model.shard(),
                                      {.step_tokens = kTokens, .sequences = kTokens},
                                      ops.activation, memory_of_host_)),
        geometry_(model.KvGeometry(kBlockTokens, kv_dtype)),
        memory_(static_cast<size_t>(geometry_.block_bytes() * kBlocks), std::byte{0xFF}),
        cache_(*kv::KvCache::Create(geometry_, memory_)) {
    for (int32_t i = 0; i < kBlocks; ++i) table_.push_back((i * 7 + 3) % kBlocks);
  }

  /// Logits of each of `tokens`, taken in chunks of at most `chunk`.
  std::vector<std::vector<float>> Run(const std::vector<TokenId>& tokens, size_t chunk = kTokens) {
    std::vector<std::vector<float>> logits;
    for (size_t done = 0; done < tokens.size();) {
      const size_t count = std::min(chunk, tokens.size() - done);
      const auto rows = Step({tokens.begin() + static_cast<ptrdiff_t>(done), count});
      logits.insert(logits.end(), rows.begin(), rows.end());
      done += count;
    }
    return logits;
  }

  std::vector<std::vector<float>> Step(std::span<const TokenId> tokens) {
    std::vector<int32_t> rows;
    for (size_t i = 0; i < tokens.size(); ++i) rows.push_back(static_cast<int32_t>(i));
    return Step(tokens, rows);
  }

  std::vector<std::vector<float>> Step(std::span<const TokenId> tokens,
                                       std::span<const int32_t> rows,
                                       const Model::OnLayers& on_layers = {},
                                       int32_t layer_group = 0) {
    const int32_t T = static_cast<int32_t>(tokens.size());
    const int32_t begin[] = {0, T};
    position_ += T;
    const bool all = rows.size() == tokens.size();
    const int64_t count = static_cast<int64_t>(rows.size());
    const StepBatch batch{.tokens = tokens.data(),
                          .sequences = {.query_begin = begin,
                                        .kv_tokens = &position_,
                                        .block_tables = table_.data(),
                                        .table_stride = kBlocks,
                                        .S = 1,
                                        .T = T},
                          .kept = {.rows = all ? nullptr : rows.data(), .count = count},
                          .logits = {.count = count},
                          .layer_group = layer_group};
    const float* logits = model_.Forward(batch,
                                         {.cache = cache_,
                                          .workspace = workspace_,
                                          .ops = ops_,
                                          .stream = stream_,
                                          .communicator = communicator_},
                                         on_layers);
    if (logits == nullptr) return {};
    const size_t V = static_cast<size_t>(model_.config().vocabulary);
    std::vector<std::vector<float>> result;
    for (size_t i = 0; i < rows.size(); ++i) {
      result.emplace_back(logits + i * V, logits + (i + 1) * V);
    }
    return result;
  }

 private:
  static constexpr int32_t kTokens = 512;
  static constexpr int32_t kBlockTokens = 16;
  static constexpr int32_t kBlocks = 33;

  const Model& model_;
  const ops::Ops& ops_;
  device::HostStream stream_;
  collective::Communicator* const communicator_;
  device::HostMemory memory_of_host_;
  Workspace workspace_;
  kv::KvGeometry geometry_;
  std::vector<std::byte> memory_;
  kv::KvCache cache_;
  std::vector<int32_t> table_;
  int32_t position_ = 0;
};

/// The same by the tensor-parallel ranks of a model, each on a thread of its own.
class RunRanks {
 public:
  using Logits = std::vector<std::vector<float>>;

  RunRanks(const std::filesystem::path& folder, LoadOptions options, int32_t ranks,
           const ops::Ops& ops, DType kv_dtype)
      : group_(collective::MakeHostGroup(ranks)) {
    options.ranks = ranks;
    for (auto& communicator : group_) {
      options.rank = communicator->rank();
      models_.push_back(*Model::Load(folder, options));
      runs_.push_back(
          std::make_unique<RunModel>(*models_.back(), ops, kv_dtype, 1, communicator.get()));
    }
  }

  Logits Run(const std::vector<TokenId>& tokens, size_t chunk = 512) {
    return OnAll([&](RunModel& run) { return run.Run(tokens, chunk); });
  }
  Logits Step(std::span<const TokenId> tokens) {
    return OnAll([&](RunModel& run) { return run.Step(tokens); });
  }

 private:
  template <typename Body>
  Logits OnAll(const Body& body) {
    std::vector<std::jthread> others;
    for (size_t r = 1; r < runs_.size(); ++r) {
      others.emplace_back([&, r] { EXPECT_THAT(body(*runs_[r]), testing::IsEmpty()); });
    }
    return body(*runs_.front());
  }

  collective::Group group_;
  std::vector<std::unique_ptr<Model>> models_;
  std::vector<std::unique_ptr<RunModel>> runs_;
};

inline TokenId Argmax(const std::vector<float>& logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace baton::model
