#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "baton/base/dtype.h"

namespace baton::testing_support {

/// A random model of the Llama family, small enough that a test computes hundreds of tokens.
struct TinyModelOptions {
  int32_t layers = 2;
  int32_t hidden = 32;
  int32_t intermediate = 48;
  int32_t query_heads = 4;
  int32_t kv_heads = 2;
  int32_t head_dim = 8;
  int32_t vocabulary = 96;
  int32_t context_tokens = 256;
  bool tied_embeddings = false;
  DType dtype = DType::kBFloat16;
  int32_t eos_token = 2;
  uint64_t seed = 1;
  /// Weights are uniform in [-scale, scale] / sqrt(inputs); larger ones give livelier tokens.
  float scale = 3;
  /// Replaces fields of config.json, or adds them; the values are JSON.
  std::map<std::string, std::string> config_fields;
};

/// Writes config.json and model.safetensors into `folder`, which is made if need be.
void WriteTinyModel(const std::filesystem::path& folder, const TinyModelOptions& options = {});

struct TensorToWrite {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

/// Writes a well-formed safetensors file.
void WriteSafetensors(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors);

/// A fresh folder that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void WriteFile(const std::filesystem::path& path, const std::string& content);

}  // namespace baton::testing_support
