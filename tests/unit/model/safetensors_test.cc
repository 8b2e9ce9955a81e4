#include "baton/model/safetensors.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "support/tiny_model.h"

namespace baton::model {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryFolder;
using testing_support::WriteFile;
using testing_support::WriteSafetensors;

std::string FileWithHeader(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(data_bytes, 'x');
}

Status OpenContent(const std::string& content) {
  TemporaryFolder folder;
  WriteFile(folder.path() / "model.safetensors", content);
  return SafetensorsFile::Open(folder.path() / "model.safetensors").status();
}

TEST(SafetensorsFile, PointsIntoTheFile) {
  TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  WriteSafetensors(path, {{"a", "U8", {2, 3}, "abcdef"}, {"b", "BF16", {2}, "1234"}});
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  const StoredTensor& b = (*file)->tensors().at("b");
  EXPECT_EQ(b.dtype, "BF16");
  EXPECT_EQ(b.shape, std::vector<int64_t>{2});
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(b.data), b.bytes), "1234");
}

struct Damage {
  const char* name;
  const char* header;
  const char* message;
};

class SafetensorsDamage : public testing::TestWithParam<Damage> {};

TEST_P(SafetensorsDamage, IsRefusedByName) {
  const Status status = OpenContent(FileWithHeader(GetParam().header, 8));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("model.safetensors"));
  EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, SafetensorsDamage,
    testing::Values(
        Damage{"NotJson", "{\"a\"", "not JSON"}, Damage{"Array", "[]", "not JSON"},
        Damage{"Truncated", R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})",
               "tensor a lies at bytes [0, 16) of 8"},
        Damage{"Backwards", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}})",
               "tensor a lies at"},
        Damage{"WrongSize", R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})",
               "tensor a has 8 bytes, its shape needs 12"},
        Damage{"Overflow",
               R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
               "too large"},
        Damage{"NegativeShape", R"({"a":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}})",
               "natural"},
        Damage{"NegativeOffset", R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[-1,7]}})",
               "natural"},
        Damage{"UnknownType", R"({"a":{"dtype":"Q4","shape":[8],"data_offsets":[0,8]}})",
               "unknown type"},
        Damage{"NoShape", R"({"a":{"dtype":"U8","data_offsets":[0,8]}})", "needs"},
        Damage{"Overlap",
               R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},
                   "b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
               "tensors a and b overlap"},
        Damage{"SamePlace",
               R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},
                   "b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
               "tensors a and b overlap"},
        Damage{"Twice",
               R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},
                   "a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
               "tensor a is named twice"}),
    [](const auto& damage) { return std::string(damage.param.name); });

TEST(SafetensorsFile, RefusesAHeaderLongerThanTheFile) {
  EXPECT_FALSE(OpenContent("").ok());
  EXPECT_FALSE(OpenContent("1234567").ok());
  EXPECT_FALSE(OpenContent(std::string(16, '\xFF')).ok());
}

TEST(SafetensorsFile, NeverCrashesOnADamagedFile) {
  TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  const std::string good = FileWithHeader(
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"format":"pt"}})",
      4);
  Random random(3);
  for (int i = 0; i < 500; ++i) {
    std::string bad = good;
    for (uint64_t n = 1 + random.Below(4); n > 0; --n) {
      bad[random.Below(bad.size())] = static_cast<char>(random.Next());
    }
    WriteFile(path, bad.substr(0, random.Below(bad.size() + 1)));
    const auto file = SafetensorsFile::Open(path);
    if (!file.ok()) {
      EXPECT_THAT(file.status().message(), HasSubstr("x.safetensors"));
    }
  }
}

TEST(Checkpoint, ReadsShardsThroughTheirIndex) {
  TemporaryFolder folder;
  WriteSafetensors(folder.path() / "one.safetensors", {{"a", "U8", {1}, "A"}});
  WriteSafetensors(folder.path() / "two.safetensors", {{"b", "U8", {1}, "B"}});
  WriteFile(folder.path() / "model.safetensors.index.json",
            R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  const auto checkpoint = Checkpoint::Open(folder.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(*checkpoint->Find("b")->data, std::byte{'B'});
  EXPECT_EQ(checkpoint->Find("c"), nullptr);
}

TEST(Checkpoint, RefusesAnIndexThatLeavesItsFolderOrNamesWhatIsNotThere) {
  TemporaryFolder folder;
  WriteSafetensors(folder.path() / "one.safetensors", {{"a", "U8", {1}, "A"}});
  const auto index = folder.path() / "model.safetensors.index.json";
  WriteFile(index, R"({"weight_map": {"a": "../one.safetensors"}})");
  EXPECT_THAT(Checkpoint::Open(folder.path()).status().message(), HasSubstr("not a file name"));
  WriteFile(index, R"({"weight_map": {"b": "one.safetensors"}})");
  EXPECT_THAT(Checkpoint::Open(folder.path()).status().message(), HasSubstr("no tensor b"));
}

}  // namespace
}  // namespace baton::model
