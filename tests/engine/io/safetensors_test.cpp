// The safetensors format: a broken file for every rule, the values of every element type, and what the writer lays down.
#include "engine/io/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>

#include "base/read_file.h"
#include "engine/io/files.h"
#include "tests/engine/io/safetensors_file.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

constexpr int kRules = static_cast<int>(SafetensorsRule::kTrailingBytes) + 1;

struct BrokenFile {
  SafetensorsRule rule;
  std::string bytes;
  std::string says;  // part of the message; the tensor's name where one is at fault
};

std::string repeated(const std::string& text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

std::vector<BrokenFile> broken_files() {
  using Rule = SafetensorsRule;
  const auto tensor = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "\"the.tensor\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
  };
  const auto one = [&](const std::string& dtype, const std::string& shape, const std::string& offsets,
                       std::size_t buffer) {
    return safetensors_bytes("{" + tensor(dtype, shape, offsets) + "}", std::string(buffer, 'x'));
  };
  const std::string first = R"("first":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)";
  const std::string name = "'the.tensor'", place = "its header: the.tensor";
  return {
      {Rule::kFileTooSmall, "", "0 bytes"},
      {Rule::kFileTooSmall, "1234567", "7 bytes"},
      {Rule::kHeaderTooLarge, bytes_of<std::uint64_t>({100'000'001}) + "{}", "100000001"},
      {Rule::kHeaderTooLarge, bytes_of<std::uint64_t>({std::numeric_limits<std::uint64_t>::max()}) + "{}",
       "18446744073709551615"},
      {Rule::kHeaderBeyondFile, bytes_of<std::uint64_t>({3}) + "{}", "3 bytes"},
      {Rule::kHeaderStart, safetensors_bytes("", ""), "'{'"},
      {Rule::kHeaderStart, safetensors_bytes(" {}", ""), "'{'"},
      {Rule::kHeaderStart, safetensors_bytes("[]", ""), "'{'"},
      {Rule::kHeaderNotUtf8, safetensors_bytes("{\"\xC3\x28\":1}", ""), "UTF-8"},
      {Rule::kHeaderNotJson, safetensors_bytes("{\"a\":", ""), "JSON"},
      {Rule::kHeaderNotJson, safetensors_bytes("{} {}", ""), "JSON"},
      {Rule::kHeaderNotJson, safetensors_bytes("{\"a\":" + repeated("[", 100'000), ""), "JSON"},
      {Rule::kDuplicateKey,
       safetensors_bytes("{" + tensor("\"F32\"", "[1]", "[0,4]") + "," + tensor("\"F32\"", "[1]", "[0,4]") + "}",
                         "abcd"),
       name},
      {Rule::kDuplicateKey,
       safetensors_bytes(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "abcd"), "'dtype'"},
      {Rule::kMetadata, safetensors_bytes(R"({"__metadata__":[]})", ""), "__metadata__"},
      {Rule::kMetadata, safetensors_bytes(R"({"__metadata__":{"version":3}})", ""), "'version'"},
      {Rule::kTensorEntry, safetensors_bytes(R"({"the.tensor":7})", ""), place},
      {Rule::kTensorEntry, safetensors_bytes(R"({"the.tensor":{"shape":[1],"data_offsets":[0,4]}})", "abcd"), place},
      {Rule::kTensorEntry, safetensors_bytes(R"({"the.tensor":{"dtype":"F32","data_offsets":[0,4]}})", "abcd"), place},
      {Rule::kTensorEntry, safetensors_bytes(R"({"the.tensor":{"dtype":"F32","shape":[1]}})", "abcd"), place},
      {Rule::kTensorEntry, one("32", "[1]", "[0,4]", 4), place},
      {Rule::kTensorEntry, one("\"F32\"", "1", "[0,4]", 4), place},
      {Rule::kTensorEntry, one("\"F32\"", "[-1]", "[0,4]", 4), place},
      {Rule::kTensorEntry, one("\"F32\"", "[1.0]", "[0,4]", 4), place},
      {Rule::kTensorEntry, one("\"F32\"", "[\"1\"]", "[0,4]", 4), place},
      {Rule::kTensorEntry, one("\"F32\"", "[1]", "[0,2,4]", 4), place},
      {Rule::kTensorEntry, one("\"F32\"", "[1]", "[0,-4]", 4), place},
      {Rule::kTensorEntry, one("\"F32\"", "[99999999999999999999]", "[0,4]", 4), place},
      {Rule::kUnknownDtype, one("\"F128\"", "[1]", "[0,16]", 16), name},
      {Rule::kUnknownDtype, one("\"f32\"", "[1]", "[0,4]", 4), name},
      {Rule::kShapeOverflow, one("\"F32\"", "[4294967296,4294967296]", "[0,4]", 4), name},
      {Rule::kShapeOverflow, one("\"F32\"", "[18446744073709551615]", "[0,4]", 4), name},
      {Rule::kShapeOverflow, one("\"F32\"", "[1152921504606846976]", "[0,4]", 4), name},  // its bits only
      {Rule::kNotWholeBytes, one("\"F4\"", "[3]", "[0,2]", 2), name},
      {Rule::kNotWholeBytes, one("\"F6_E2M3\"", "[2]", "[0,2]", 2), name},
      {Rule::kOffsetsOrder, one("\"F32\"", "[1]", "[4,0]", 4), name},
      {Rule::kOffsetsBeyondFile, one("\"F32\"", "[2]", "[0,8]", 7), name},
      {Rule::kOffsetsBeyondFile, one("\"F32\"", "[1]", "[18446744073709551611,18446744073709551615]", 4), name},
      {Rule::kSizeMismatch, one("\"F32\"", "[2]", "[0,4]", 4), name},
      {Rule::kSizeMismatch, one("\"F32\"", "[]", "[0,8]", 8), name},
      {Rule::kSizeMismatch, one("\"F32\"", "[0,5]", "[0,4]", 4), name},
      {Rule::kHoleOrOverlap, one("\"F32\"", "[1]", "[4,8]", 8), name},
      {Rule::kHoleOrOverlap,
       safetensors_bytes("{" + first + tensor("\"F32\"", "[1]", "[8,12]") + "}", std::string(12, 'x')), name},
      {Rule::kHoleOrOverlap,
       safetensors_bytes("{" + first + tensor("\"F32\"", "[1]", "[2,6]") + "}", std::string(6, 'x')), name},
      {Rule::kTrailingBytes, one("\"F32\"", "[1]", "[0,4]", 5), "4 of a buffer of 5"},
      {Rule::kTrailingBytes, safetensors_bytes("{}", "x"), "0 of a buffer of 1"},
  };
}

TEST(Safetensors, EveryRuleIsEnforced) {
  const TempDir dir;
  const std::string path = dir / "broken.safetensors";
  std::set<int> covered;
  for (const BrokenFile& broken : broken_files()) {
    write_bytes(path, broken.bytes);
    const std::string what = "rule " + std::to_string(static_cast<int>(broken.rule)) + ", " + broken.says;
    try {
      const SafetensorsFile file(path);
      ADD_FAILURE() << "no error: " << what;
    } catch (const SafetensorsError& error) {
      EXPECT_EQ(error.rule(), broken.rule) << what << ": " << error.what();
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with(path + ": ")) << message;
      EXPECT_NE(message.find(broken.says), std::string::npos) << message << " should say " << broken.says;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
    covered.insert(static_cast<int>(broken.rule));
  }
  EXPECT_EQ(covered.size(), static_cast<std::size_t>(kRules));
}

TEST(Safetensors, FilesThatCannotBeRead) {
  const TempDir dir;
  EXPECT_THROW(SafetensorsFile(dir / "missing"), IoError);
  EXPECT_THROW(SafetensorsFile(dir.path().string()), IoError);
  EXPECT_NE(message_of([&] { SafetensorsFile(dir / "missing"); }).find(dir / "missing"), std::string::npos);
}

// A file of one tensor "x".
SafetensorsFile file_of(const TempDir& dir, const std::string& dtype, const std::string& shape,
                        const std::string& buffer) {
  const std::string path = dir / "one.safetensors";
  write_bytes(path, safetensors_bytes("{\"x\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
                                          ",\"data_offsets\":[0," + std::to_string(buffer.size()) + "]}}",
                                      buffer));
  return SafetensorsFile(path);
}

TEST(Safetensors, ScalarsEmptyTensorsAndMetadata) {
  const TempDir dir;
  const std::string path = dir / "valid.safetensors";
  // Entries neither in the order of their bytes nor aligned; two empty tensors lie between others; header padded with spaces.
  const std::string header = R"({"scalar":{"dtype":"F32","shape":[],"data_offsets":[3,7]},)"
                             R"("__metadata__":{"format":"pt","note":"caf\u00e9"},)"
                             R"("none":{"dtype":"F64","shape":[0,3],"data_offsets":[3,3]},)"
                             R"("bytes":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                             R"("nothing":{"dtype":"F32","shape":[2,0],"data_offsets":[7,7]}}   )";
  write_bytes(path, safetensors_bytes(header, "\x01\x02\xFF" + bytes_of<float>({2.5f})));
  const SafetensorsFile file(path);
  std::vector<std::string> names;
  for (const SafetensorsEntry& entry : file.entries()) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string>{"bytes", "none", "scalar", "nothing"}));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"note", "caf\xC3\xA9"}}));
  const Tensor scalar = file.read("scalar", DType::kFloat32);
  EXPECT_EQ(scalar.shape(), Shape{});
  EXPECT_EQ(scalar.item(), 2.5);
  EXPECT_EQ(file.read("none", DType::kFloat32).shape(), (Shape{0, 3}));
  const Tensor bytes = file.read("bytes", DType::kInt32);
  EXPECT_EQ(bytes.values<std::int32_t>()[2], 255);
  EXPECT_EQ(file.find("absent"), nullptr);
  EXPECT_NE(message_of([&] { (void)file.read("absent", DType::kFloat32); }).find("'absent'"), std::string::npos);
}

TEST(Safetensors, AFileWithoutTensors) {
  const TempDir dir;
  write_bytes(dir / "empty", safetensors_bytes("{}", ""));
  EXPECT_TRUE(SafetensorsFile(dir / "empty").entries().empty());
}

template <class To>
void expect_same(To actual, double expected, std::uint32_t bits) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(actual)) << bits;
  } else {
    EXPECT_EQ(static_cast<double>(actual), expected) << bits;
    EXPECT_EQ(std::signbit(actual), std::signbit(expected)) << bits;
  }
}

// Value of sixteen bits with `fraction_bits` of fraction, from the definition of IEEE 754.
double value_of(std::uint32_t bits, int fraction_bits) {
  const int exponent_bits = 15 - fraction_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const double fraction =
      static_cast<double>(bits & ((1u << fraction_bits) - 1)) / static_cast<double>(1 << fraction_bits);
  const double sign = (bits & 0x8000u) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias);
  return sign * std::ldexp(1 + fraction, exponent - bias);
}

TEST(Safetensors, EverySixteenBitFloat) {
  const TempDir dir;
  std::vector<std::uint16_t> all;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) all.push_back(static_cast<std::uint16_t>(bits));
  for (const auto& [dtype, fraction_bits] : {std::pair{"F16", 10}, std::pair{"BF16", 7}}) {
    const SafetensorsFile file = file_of(dir, dtype, "[65536]", bytes_of(all));
    const Tensor single = file.read("x", DType::kFloat32), twice = file.read("x", DType::kFloat64);
    for (std::uint32_t bits = 0; bits < 65536; ++bits) {
      expect_same(single.values<float>()[bits], value_of(bits, fraction_bits), bits);
      expect_same(twice.values<double>()[bits], value_of(bits, fraction_bits), bits);
    }
  }
}

TEST(Safetensors, FloatsBetweenTheWidths) {
  const TempDir dir;
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> values = {0.1, -0.0, 1e300, -inf, 0x1p-149, 1 + 0x1p-24};
  const SafetensorsFile wide = file_of(dir, "F64", "[2,3]", bytes_of(values));
  const Tensor narrowed = wide.read("x", DType::kFloat32), kept = wide.read("x", DType::kFloat64);
  EXPECT_EQ(kept.shape(), (Shape{2, 3}));
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(kept.values<double>()[i], values[i]);
    EXPECT_EQ(narrowed.values<float>()[i], static_cast<float>(values[i]));
  }
  const SafetensorsFile single = file_of(dir, "F32", "[2]", bytes_of<float>({0.1f, 0x1p-149f}));
  EXPECT_EQ(single.read("x", DType::kFloat64).values<double>()[0], static_cast<double>(0.1f));
  EXPECT_EQ(single.read("x", DType::kFloat64).values<double>()[1], 0x1p-149);
}

TEST(Safetensors, Integers) {
  const TempDir dir;
  const auto read = [&](const std::string& dtype, const std::string& buffer) {
    const Tensor x = file_of(dir, dtype, "[2]", buffer).read("x", DType::kInt32);
    return std::vector<std::int32_t>(x.values<std::int32_t>().begin(), x.values<std::int32_t>().end());
  };
  using Two = std::vector<std::int32_t>;
  EXPECT_EQ(read("I64", bytes_of<std::int64_t>({-2147483648LL, 2147483647LL})), (Two{-2147483647 - 1, 2147483647}));
  EXPECT_EQ(read("I32", bytes_of<std::int32_t>({-5, 7})), (Two{-5, 7}));
  EXPECT_EQ(read("I16", bytes_of<std::int16_t>({-32768, 7})), (Two{-32768, 7}));
  EXPECT_EQ(read("I8", bytes_of<std::int8_t>({-128, 127})), (Two{-128, 127}));
  EXPECT_EQ(read("U8", bytes_of<std::uint8_t>({255, 0})), (Two{255, 0}));
  EXPECT_EQ(read("BOOL", bytes_of<std::uint8_t>({1, 0})), (Two{1, 0}));
}

TEST(Safetensors, RowsAreReadAlone) {
  const TempDir dir;
  const SafetensorsFile file = file_of(dir, "I16", "[3,2]", bytes_of<std::int16_t>({1, 2, 3, 4, 5, 6}));
  const SafetensorsEntry& entry = *file.find("x");
  const Tensor rows = file.read_rows(entry, DType::kInt32, 1, 3);
  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_TRUE(std::ranges::equal(rows.values<std::int32_t>(), std::vector{3, 4, 5, 6}));
  for (const auto& [begin, end] : {std::pair{-1, 1}, {1, 1}, {2, 4}})
    EXPECT_NE(message_of([&, from = begin, to = end] {
                (void)file.read_rows(entry, DType::kInt32, from, to);
              }).find("tensor 'x': there are no rows"),
              std::string::npos);
}

TEST(Safetensors, ErrorsOfReadingNameFileAndTensor) {
  const TempDir dir;
  const std::string in_file = dir / "one.safetensors" + ": tensor 'x'";
  const auto error = [&](const std::string& dtype, const std::string& shape, const std::string& buffer, DType to) {
    return message_of([&] { (void)file_of(dir, dtype, shape, buffer).read("x", to); });
  };
  EXPECT_TRUE(error("F32", "[1]", "abcd", DType::kInt32).starts_with(in_file));
  EXPECT_TRUE(error("I32", "[1]", "abcd", DType::kFloat32).starts_with(in_file));
  EXPECT_TRUE(error("F8_E4M3", "[1]", "a", DType::kFloat32).starts_with(in_file));
  EXPECT_TRUE(error("F32", "[1,1,1,1,1]", "abcd", DType::kFloat32).starts_with(in_file));
  const std::string big = error("I64", "[1]", bytes_of<std::int64_t>({2147483648LL}), DType::kInt32);
  EXPECT_TRUE(big.starts_with(in_file)) << big;
  EXPECT_NE(big.find("2147483648"), std::string::npos) << big;
}

TEST(Safetensors, WhatIsWrittenComesBack) {
  const TempDir dir;
  const std::string path = dir / "written.safetensors";
  const Tensor words = Tensor::from(std::vector<float>{1.5f, -0.0f, std::numeric_limits<float>::infinity()}, {3, 1});
  const Tensor wide = Tensor::from(std::vector<double>{0.1}, {});
  const Tensor ids = Tensor::from(std::vector<std::int32_t>{-1, 2}, {2});
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"quote", "\"\n"}};
  write_safetensors(path,
                    {{"z.float", words},
                     {"b \"quoted\" \xC3\xA9", wide},
                     {"a.ids", ids},
                     {"empty", Tensor::empty({0, 4}, DType::kFloat32)}},
                    metadata);
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata(), metadata);
  std::vector<std::string> names;
  for (const SafetensorsEntry& entry : file.entries()) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string>{"b \"quoted\" \xC3\xA9", "a.ids", "empty",
                                             "z.float"}));  // wider first, then by name
  EXPECT_EQ(file.read("b \"quoted\" \xC3\xA9", DType::kFloat64).item(), 0.1);
  EXPECT_EQ(file.find("a.ids")->dtype, "I32");
  EXPECT_EQ(file.read("a.ids", DType::kInt32).values<std::int32_t>()[0], -1);
  EXPECT_EQ(file.read("empty", DType::kFloat32).shape(), (Shape{0, 4}));
  const Tensor again = file.read("z.float", DType::kFloat32);
  EXPECT_EQ(again.shape(), (Shape{3, 1}));
  for (std::size_t i = 0; i < 3; ++i)
    expect_same(again.values<float>()[i], words.values<float>()[i], static_cast<std::uint32_t>(i));
}

TEST(Safetensors, ASourceWithOtherThanItsBytesIsRefused) {
  const TempDir dir;
  const std::array<std::byte, 12> bytes{};
  const auto write = [&](std::size_t passed) {
    AtomicFile file(dir / "file");
    write_safetensors(
        file,
        {TensorSource{"x", DType::kFloat32, {2}, [&](const TakeBytes& take) { take(std::span(bytes).first(passed)); }}},
        {});
    file.commit();
  };
  for (const std::size_t passed : {4, 12})
    EXPECT_EQ(message_of([&] { write(passed); }),
              str_cat(dir / "file", ": the tensor 'x' has 8 bytes, but its source ", "passes on ", passed));
  EXPECT_FALSE(std::filesystem::exists(dir / "file"));
  write(8);
  EXPECT_EQ(SafetensorsFile(dir / "file").read("x", DType::kFloat32).numel(), 2);
}

TEST(Safetensors, MappedTensorsOutliveTheirFile) {
  const TempDir dir;
  const Tensor numbers = Tensor::from(std::vector<std::int64_t>{1, -2, 3}, {3, 1});
  write_safetensors(dir / "mapped", {{"x", numbers}}, {});
  Tensor mapped;
  std::string blocks;
  {
    const SafetensorsFile file(dir / "mapped");
    const SafetensorsEntry& entry = *file.find("x");
    mapped = file.map(entry);
    file.read_blocks(entry, [&](std::span<const std::byte> block) {
      blocks.append(reinterpret_cast<const char*>(block.data()), block.size());
    });
  }
  EXPECT_EQ(mapped.shape(), numbers.shape());
  EXPECT_TRUE(std::ranges::equal(mapped.values<std::int64_t>(), numbers.values<std::int64_t>()));
  EXPECT_EQ(blocks, bytes_of<std::int64_t>({1, -2, 3}));
  write_file(dir / "unaligned", safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                                  R"("x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})",
                                                  "12345"));
  const SafetensorsFile unaligned(dir / "unaligned");
  EXPECT_NE(message_of([&] { unaligned.map(*unaligned.find("x")); }).find("tensor 'x' is not aligned"),
            std::string::npos);
}

TEST(Safetensors, TheHeaderEndsOnEightBytes) {
  const TempDir dir;
  for (std::size_t length = 1; length <= 16; ++length) {
    const std::string path = dir / "padded";
    write_safetensors(path, {{std::string(length, 'n'), Tensor::zeros({1}, DType::kFloat32)}}, {});
    const std::string bytes = read_file(path);
    EXPECT_EQ((bytes.size() - 4) % 8, 0u);
    EXPECT_EQ(static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[0])), bytes.size() - 4 - 8);
    EXPECT_EQ(SafetensorsFile(path).entries().size(), 1u);
  }
}

TEST(Safetensors, TwoTensorsOfOneNameAreRefused) {
  const TempDir dir;
  const Tensor x = Tensor::zeros({1}, DType::kFloat32);
  const std::string message = message_of([&] { write_safetensors(dir / "twice", {{"x", x}, {"y", x}, {"x", x}}, {}); });
  EXPECT_NE(message.find("'x'"), std::string::npos) << message;
  EXPECT_FALSE(std::filesystem::exists(dir / "twice"));
}

}  // namespace
}  // namespace attune::testing
