#include <cstring>

#include "baton/model/safetensors.h"
#include "fuzz_target.h"
#include "input_folder.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

constexpr uint8_t kWholeFile = 0;
/// The header's length is put before it, or most mutations would end there.
constexpr uint8_t kHeaderAndData = 1;

std::string WithLength(std::string_view header) {
  const uint64_t bytes = header.size();
  return std::string(reinterpret_cast<const char*>(&bytes), sizeof(bytes)).append(header);
}

std::vector<std::string> Seeds() {
  const std::string model = SourceFile("configs/models/baton-tiny/model.safetensors");
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, model.data(), sizeof(header_bytes));
  const auto seed = [](std::string_view header, size_t data_bytes) {
    return InputWriter()
        .Byte(kHeaderAndData)
        .Part(header)
        .Rest(std::string(data_bytes, 'x'))
        .bytes();
  };
  const std::string small =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
      R"("b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}})";
  return {
      seed(model.substr(8, header_bytes), 64), seed(small, 16),
      seed(R"({"a":{"dtype":"F4","shape":[6],"data_offsets":[0,3]},)"
           R"("b":{"dtype":"U8","shape":[0,7],"data_offsets":[3,3]}})",
           3),
      InputWriter().Byte(kWholeFile).Rest(WithLength(small)).Rest(std::string(16, 'x')).bytes()};
}

void Run(std::string_view input) {
  static const InputFolder folder;
  InputReader reader(input);
  std::string file;
  if (reader.Byte() == kWholeFile) {
    file = reader.Rest();
  } else {
    file = WithLength(reader.Part());
    file += reader.Rest();
  }
  folder.Write("x.safetensors", file);
  const auto opened = model::SafetensorsFile::Open(folder.path() / "x.safetensors");
  if (!opened.ok()) {
    BATON_CHECK(opened.status().message().find("x.safetensors") != std::string::npos);
    return;
  }
  // Beyond the file the mapping ends in a fault at the latest a page later.
  size_t bytes = 0;
  volatile size_t sum = 0;
  for (const auto& [name, tensor] : (*opened)->tensors()) {
    bytes += tensor.bytes;
    for (size_t i = 0; i < tensor.bytes; ++i) sum = sum + static_cast<size_t>(tensor.data[i]);
  }
  BATON_CHECK(bytes <= file.size()) << "the tensors have more bytes than the file";
}

}  // namespace

const FuzzTarget kTarget{
    .max_bytes = 8192,
    .seeds = &Seeds,
    .words = {"\"dtype\":", "\"shape\":[", "\"data_offsets\":[0,", "\"__metadata__\"", "\"BF16\"",
              "\"F32\"", "\"F4\"", "\"F6_E2M3\"", "\"U8\"", "\"BOOL\"", "{}", "[]", "0", "-1",
              "1e3", "18446744073709551615", "281474976710656"},
    .run = &Run};

}  // namespace baton::fuzz
