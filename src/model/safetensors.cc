#include "baton/model/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "baton/device/buffer.h"
#include "json_fields.h"

namespace baton::model {
namespace {

using nlohmann::json;

/// Bits of one element; 0 for a type that safetensors does not define.
size_t ElementBits(const std::string& dtype) {
  static const std::map<std::string, size_t> bits = {
      {"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E4M3", 8}, {"F8_E5M2", 8},
      {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},    {"BF16", 16},
      {"I32", 32},    {"U32", 32}, {"F32", 32}, {"I64", 64},    {"U64", 64},
      {"F64", 64},    {"C64", 64}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  const auto found = bits.find(dtype);
  return found == bits.end() ? 0 : found->second;
}

bool IsFileName(const std::string& name) {
  const std::filesystem::path path(name);
  return path.has_filename() && path.filename() == path && name != "." && name != "..";
}

/// Parses the header and notes a name that occurs twice, which the parsed value no longer shows.
json ParseHeader(std::string_view text, std::string& duplicate) {
  std::set<std::string> names;
  const auto note_names = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth == 1 && event == json::parse_event_t::key &&
        !names.insert(parsed.get<std::string>()).second) {
      duplicate = parsed.get<std::string>();
    }
    return true;
  };
  return json::parse(text, note_names, /*allow_exceptions=*/false);
}

/// Checks one entry of the header against the `data_bytes` behind it. Sets `begin` to where its
/// data starts among them.
Status ReadEntry(const json& entry, size_t data_bytes, StoredTensor& tensor, size_t& begin) {
  const auto is_count = [](const json& value) { return value.is_number_unsigned(); };
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
      !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
    return InvalidArgument("needs dtype, shape and two data_offsets");
  }
  tensor.dtype = entry["dtype"];
  const size_t bits = ElementBits(tensor.dtype);
  if (bits == 0) return InvalidArgument("has the unknown type \"" + tensor.dtype + "\"");
  size_t total_bits = bits;
  for (const json& extent : entry["shape"]) {
    if (!is_count(extent)) return InvalidArgument("has a shape that is not of natural numbers");
    const size_t value = extent.get<size_t>();
    if (value > size_t{1} << 48 || __builtin_mul_overflow(total_bits, value, &total_bits)) {
      return InvalidArgument("has a shape too large to be true");
    }
    tensor.shape.push_back(static_cast<int64_t>(value));
  }
  if (!is_count(entry["data_offsets"][0]) || !is_count(entry["data_offsets"][1])) {
    return InvalidArgument("has data_offsets that are not natural numbers");
  }
  begin = entry["data_offsets"][0].get<size_t>();
  const size_t end = entry["data_offsets"][1].get<size_t>();
  if (begin > end || end > data_bytes) {
    return InvalidArgument("lies at bytes [" + std::to_string(begin) + ", " + std::to_string(end) +
                           ") of " + std::to_string(data_bytes) +
                           " bytes of data: the file is truncated or damaged");
  }
  tensor.bytes = end - begin;
  if (total_bits % 8 != 0 || total_bits / 8 != tensor.bytes) {
    return InvalidArgument("has " + std::to_string(tensor.bytes) + " bytes, its shape needs " +
                           std::to_string(total_bits / 8));
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return NotFound(path.string() + " cannot be opened: " + std::strerror(errno));
  struct stat info {};
  const bool regular = ::fstat(file, &info) == 0 && S_ISREG(info.st_mode);
  const size_t bytes = regular ? static_cast<size_t>(info.st_size) : 0;
  if (bytes < 8) {
    ::close(file);
    return InvalidArgument(path.string() + " is not a safetensors file: it has no header");
  }
  void* const data = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  const int error = errno;
  ::close(file);
  if (data == MAP_FAILED) {
    return ResourceExhausted(path.string() + " cannot be mapped: " + std::strerror(error));
  }
  std::unique_ptr<SafetensorsFile> opened(
      new SafetensorsFile(path, static_cast<const std::byte*>(data), bytes));
  BATON_RETURN_IF_ERROR(opened->ReadHeader());
  ::madvise(data, bytes, MADV_WILLNEED);
  return opened;
}

SafetensorsFile::~SafetensorsFile() { ::munmap(const_cast<std::byte*>(data_), bytes_); }

void SafetensorsFile::GiveBackPages() const { device::GiveBackPages(data_, bytes_); }

Status SafetensorsFile::ReadHeader() {
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, data_, sizeof(header_bytes));
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes_ - 8) {
    return InvalidArgument(path_.string() + ": a header of " + std::to_string(header_bytes) +
                           " bytes does not fit: not a safetensors file, or truncated");
  }
  std::string duplicate;
  const json header = ParseHeader(
      {reinterpret_cast<const char*>(data_) + 8, static_cast<size_t>(header_bytes)}, duplicate);
  if (!header.is_object()) return InvalidArgument(path_.string() + ": its header is not JSON");
  if (!duplicate.empty()) {
    return InvalidArgument(path_.string() + ": tensor " + duplicate + " is named twice");
  }
  if (header.size() > kMaxTensors) return InvalidArgument(path_.string() + ": too many tensors");
  const std::byte* const data = data_ + 8 + header_bytes;
  std::map<size_t, std::pair<size_t, std::string>> ends;  // By where the data begins.
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    StoredTensor tensor;
    size_t begin = 0;
    const Status status = ReadEntry(entry, bytes_ - 8 - header_bytes, tensor, begin);
    if (!status.ok()) {
      return InvalidArgument(path_.string() + ": tensor " + name + " " + status.message());
    }
    if (tensor.bytes > 0) {
      const auto [other, fresh] = ends.try_emplace(begin, begin + tensor.bytes, name);
      if (!fresh) {
        return InvalidArgument(path_.string() + ": tensors " + other->second.second + " and " +
                               name + " overlap");
      }
    }
    tensor.data = data + begin;
    tensors_.emplace(name, std::move(tensor));
  }
  for (auto it = ends.begin(); it != ends.end() && std::next(it) != ends.end(); ++it) {
    if (it->second.first > std::next(it)->first) {
      return InvalidArgument(path_.string() + ": tensors " + it->second.second + " and " +
                             std::next(it)->second.second + " overlap");
    }
  }
  return OkStatus();
}

Result<Checkpoint> Checkpoint::Open(const std::filesystem::path& folder) {
  Checkpoint checkpoint;
  checkpoint.path_ = folder / "model.safetensors";
  const auto index = folder / "model.safetensors.index.json";
  if (std::filesystem::exists(checkpoint.path_) || !std::filesystem::exists(index)) {
    BATON_ASSIGN_OR_RETURN(auto file, SafetensorsFile::Open(checkpoint.path_));
    for (const auto& [name, tensor] : file->tensors()) checkpoint.tensors_[name] = &tensor;
    checkpoint.files_.push_back(std::move(file));
    return checkpoint;
  }
  checkpoint.path_ = index;
  BATON_ASSIGN_OR_RETURN(const json object, ReadJsonObject(index));
  JsonFields fields(object, index.string());
  const json* map = fields.Object("weight_map");
  if (map == nullptr) return InvalidArgument(index.string() + ": weight_map must be an object");
  std::map<std::string, const SafetensorsFile*> shards;
  for (const auto& [name, shard] : map->items()) {
    // A plain file name: an index must not lead out of its folder.
    if (!shard.is_string() || !IsFileName(shard.get<std::string>())) {
      return InvalidArgument(index.string() + ": tensor " + name + " lies in " + shard.dump() +
                             ", which is not a file name");
    }
    const SafetensorsFile*& file = shards[shard.get<std::string>()];
    if (file == nullptr) {
      BATON_ASSIGN_OR_RETURN(auto opened, SafetensorsFile::Open(folder / shard.get<std::string>()));
      file = checkpoint.files_.emplace_back(std::move(opened)).get();
    }
    const auto tensor = file->tensors().find(name);
    if (tensor == file->tensors().end()) {
      return InvalidArgument(index.string() + ": " + file->path().string() + " has no tensor " +
                             name);
    }
    checkpoint.tensors_[name] = &tensor->second;
  }
  return checkpoint;
}

void Checkpoint::GiveBackPages() const {
  for (const auto& file : files_) file->GiveBackPages();
}

const StoredTensor* Checkpoint::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

}  // namespace baton::model
