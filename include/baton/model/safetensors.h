#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "baton/base/status.h"
#include "baton/base/tensor_view.h"

namespace baton::model {

/// A tensor as its file describes it.
struct StoredTensor {
  /// As in the file, e.g. "BF16"; it may be one that Baton cannot use.
  std::string dtype;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  size_t bytes = 0;
};

/// One mapped safetensors file. *Ownership*: the mapping lives as long as the object.
/// *Threads*: immutable.
class SafetensorsFile {
 public:
  /// Checks the whole header before anything points into the file.
  /// *Fails with* NotFound; InvalidArgument naming the file and the entry: truncated, overlapping,
  /// out of range, of the wrong size, named twice, or over the limits below.
  static Result<std::unique_ptr<SafetensorsFile>> Open(const std::filesystem::path& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  const std::filesystem::path& path() const { return path_; }
  /// Takes the file's pages from this process; they come back when they are read.
  void GiveBackPages() const;

  static constexpr size_t kMaxHeaderBytes = 100'000'000;
  static constexpr size_t kMaxTensors = 1'000'000;

 private:
  SafetensorsFile(std::filesystem::path path, const std::byte* data, size_t bytes)
      : path_(std::move(path)), data_(data), bytes_(bytes) {}
  Status ReadHeader();

  std::filesystem::path path_;
  const std::byte* data_;
  size_t bytes_;
  std::map<std::string, StoredTensor> tensors_;
};

/// All tensors of a model folder: model.safetensors, or the shards that
/// model.safetensors.index.json names.
class Checkpoint {
 public:
  static Result<Checkpoint> Open(const std::filesystem::path& folder);

  /// Null when there is no such tensor.
  const StoredTensor* Find(const std::string& name) const;
  const std::map<std::string, const StoredTensor*>& tensors() const { return tensors_; }
  /// The file to name in errors about tensors.
  const std::filesystem::path& path() const { return path_; }
  /// The same of all files.
  void GiveBackPages() const;

 private:
  std::filesystem::path path_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, const StoredTensor*> tensors_;
};

}  // namespace baton::model
