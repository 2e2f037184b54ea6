// SHA-256 digests in the metadata of a safetensors file: a writer that knows them, and tensors that are checked.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/read_file.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/io/sha256.h"
#include "tests/engine/io/safetensors_file.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

TEST(SafetensorsDigests, MetadataMayDependOnThem) {
  const TempDir dir;
  const Tensor wide = Tensor::from(std::vector<double>{1, -2.5}, {2}),
               rounded = Tensor::from(std::vector<float>{1, -2, 0.5}, {3, 1}).cast(DType::kBFloat16);
  write_safetensors_given_digests(dir / "file", {source_of({"rounded", rounded}), source_of({"wide", wide})},
                                  [](const std::map<std::string, std::string>& digests) { return digests; });
  const SafetensorsFile file(dir / "file");
  ASSERT_EQ(file.metadata().size(), 2u);
  for (const auto& [name, tensor] : {std::pair("wide", wide), {"rounded", rounded}}) {
    const SafetensorsEntry* entry = file.find(name);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(file.metadata().at(name), sha256_hex(file.bytes(*entry)));
    EXPECT_NO_THROW(file.check(*entry, file.metadata().at(name)));
    const Tensor read = file.read(*entry);
    EXPECT_EQ(read.shape(), tensor.shape());
    ASSERT_EQ(read.dtype(), tensor.dtype());
    EXPECT_EQ(std::memcmp(read.raw(), tensor.raw(), tensor.bytes()), 0);
  }
  EXPECT_THROW(
      write_safetensors_given_digests(dir / "longer", {source_of({"wide", wide})},
                                      [](const auto& digests) {
                                        const bool first = digests.at("wide")[0] == '0';
                                        return Metadata{{"key", first ? "" : "longer than a header's padding"}};
                                      }),
      Error);
  EXPECT_FALSE(std::filesystem::exists(dir / "longer"));
}

TEST(SafetensorsDigests, EveryFlippedBitIsFound) {
  const TempDir dir;
  const Tensor a = Tensor::from(std::vector<float>{1, -2, 0.5}, {3}), b = Tensor::from(std::vector<double>{1}, {1});
  const std::string path = dir / "file";
  AtomicFile out(path);
  write_safetensors_with_digests(out, {{"a", a}, {"b", b}}, {{"format", "pt"}});
  out.commit();
  EXPECT_EQ(SafetensorsFile(path).metadata().at("format"), "pt");
  const auto check_all = [&] {
    const SafetensorsFile file(path);
    for (const SafetensorsEntry& entry : file.entries()) file.check(entry);
  };
  EXPECT_NO_THROW(check_all());
  const std::string whole = read_file(path);
  for (std::size_t bit = 0; bit < 8 * (a.bytes() + b.bytes()); ++bit) {
    std::string damaged = whole;
    damaged[damaged.size() - 1 - bit / 8] ^= static_cast<char>(1 << bit % 8);
    write_file(path, damaged);
    const std::string tensor = bit < 8 * a.bytes() ? "a" : "b";  // the wider type lies first
    EXPECT_TRUE(message_of(check_all).starts_with(path + ": the tensor '" + tensor + "' is damaged"))
        << bit << ": " << message_of(check_all);
  }
}

TEST(SafetensorsDigests, AFileWithoutThemIsNotChecked) {
  const TempDir dir;
  write_safetensors(dir / "file", {{"x", Tensor::zeros({1}, DType::kFloat32)}}, {});
  const SafetensorsFile file(dir / "file");
  EXPECT_NO_THROW(file.check(*file.find("x")));
}

TEST(SafetensorsDigests, TheyAreAnObjectOfEveryTensor) {
  const TempDir dir;
  const std::string path = dir / "file", digest(64, '0');
  const auto says = [&](const std::string& digests) {
    write_safetensors(path, {{"x", Tensor::zeros({1}, DType::kFloat32)}}, {{"attune_sha256", digests}});
    return message_of([&] { SafetensorsFile file(path); });
  };
  EXPECT_EQ(says(R"({"x": ")" + digest + R"("})"), "");
  EXPECT_EQ(says("{}"), path + ": attune_sha256 has no digest of the tensor 'x'");
  EXPECT_EQ(says(R"({"x": ")" + digest + R"(", "y": ")" + digest + R"("})"),
            path + ": attune_sha256 has digests of tensors that are not there");
  for (const char* wrong : {R"({"x": 1})", R"(["x"])", "x"})
    EXPECT_TRUE(says(wrong).starts_with(path + ": attune_sha256")) << wrong << ": " << says(wrong);
}

}  // namespace
}  // namespace attune::testing
