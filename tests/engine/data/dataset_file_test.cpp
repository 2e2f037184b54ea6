// A data set comes back from its file as it was; a file that is damaged anywhere is an error.
#include "engine/data/dataset_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"
#include "tests/support/words_of.h"

namespace attune::testing {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

// Three examples, one of them empty, in two blocks.
void fill(DatasetWriter& writer, bool typed) {
  writer.add(std::vector<std::int64_t>{2, 0}, Ids{7, 8}, typed ? Ids{0, 1} : Ids{});
  writer.add(std::vector<std::int64_t>{3}, Ids{1, 2, 3}, typed ? Ids{0, 0, 1} : Ids{});
}
Tensor classes() {
  return Tensor::from(Ids{1, 0, 1}, {3});
}
void expect_examples(const Dataset& dataset, const Tensor& labels, bool typed) {
  dataset.check();
  EXPECT_EQ(words_of(dataset.ids), (Ids{7, 8, 1, 2, 3}));
  EXPECT_EQ(dataset.size(), 3);
  EXPECT_EQ(dataset.length(1), 0);
  EXPECT_EQ(words_of(dataset.type_ids), typed ? (Ids{0, 1, 0, 0, 1}) : Ids{});
  EXPECT_EQ(dataset.labels.dtype(), labels.dtype());
  EXPECT_EQ(dataset.labels.shape(), labels.shape());
  EXPECT_EQ(words_of(dataset.labels), words_of(labels));
}

TEST(DatasetFile, IsReadBack) {
  const TempDir folder;
  const Tensor numbers = Tensor::from(std::vector<float>{0, 1, 0.5F, -2, 3, 4}, {3, 2});
  for (const bool typed : {false, true})
    for (const Tensor& labels : {classes(), numbers}) {
      DatasetWriter writer(folder.path().string(), typed);
      fill(writer, typed);
      const Dataset made = writer.finish("made", labels);
      expect_examples(made, labels, typed);
      writer.write(folder / "kept", made, "{\"names\": [\"\u00e9\"]}");
      const StoredDataset kept = open_dataset(folder / "kept", "kept");
      expect_examples(kept.dataset, labels, typed);
      EXPECT_EQ(kept.dataset.name, "kept");
      EXPECT_EQ(kept.dataset.digest, made.digest);
      EXPECT_EQ(kept.label_text, "{\"names\": [\"\u00e9\"]}");
      const SafetensorsFile file(folder / "kept");  // as other tools see it
      EXPECT_EQ(words_of(file.read("ids", DType::kInt32)), (Ids{7, 8, 1, 2, 3}));
      EXPECT_EQ(words_of(file.read("starts", DType::kInt32)), (Ids{0, 2, 2, 5}));
    }
}

TEST(DatasetFile, KeepsWindows) {
  const TempDir folder;
  DatasetWriter writer(folder.path().string(), false), other("", false);
  for (DatasetWriter* to : {&writer, &other}) {
    to->add(std::vector<std::int64_t>{2, 1}, Ids{7, 8, 9}, {}, std::vector<std::int64_t>{2});
    to->add(std::vector<std::int64_t>{1, 0, 1}, Ids{1, 2}, {},
            to == &writer ? std::vector<std::int64_t>{1, 2} : std::vector<std::int64_t>{2, 1});
  }
  const Dataset made = writer.finish("made", classes());
  writer.write(folder / "kept", made, "{}");
  for (const Dataset& dataset : {made, open_dataset(folder / "kept", "kept").dataset}) {
    dataset.check();
    EXPECT_EQ(dataset.size(), 3);
    const auto firsts = dataset.windows.values<std::int64_t>();
    EXPECT_TRUE(std::ranges::equal(firsts, std::vector<std::int64_t>{0, 2, 3, 5}));
    EXPECT_EQ(dataset.length(0), 3);
    EXPECT_EQ(dataset.length(2), 1);
    EXPECT_EQ(dataset.digest, made.digest);
  }
  EXPECT_NE(other.finish("other", classes()).digest, made.digest);
}

// The same examples in memory, in other blocks, with a type or a value changed.
TEST(DatasetFile, TheDigestDependsOnContentsAlone) {
  const TempDir folder;
  const auto digest_of = [](DatasetWriter& writer, const Tensor& labels) {
    return writer.finish("made", labels).digest;
  };
  DatasetWriter usual(folder.path().string(), false), memory("", false), blocks("", false);
  for (DatasetWriter* writer : {&usual, &memory}) fill(*writer, false);
  blocks.add(std::vector<std::int64_t>{2, 0, 3}, Ids{7, 8, 1, 2, 3}, {});
  const std::string digest = digest_of(usual, classes());
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_EQ(digest_of(memory, classes()), digest);
  EXPECT_EQ(digest_of(blocks, classes()), digest);

  DatasetWriter typed("", true), other_lengths("", false), other_ids("", false), other_labels("", false),
      none("", false);
  fill(typed, true);
  other_lengths.add(std::vector<std::int64_t>{1, 1, 3}, Ids{7, 8, 1, 2, 3}, {});
  other_ids.add(std::vector<std::int64_t>{2, 0, 3}, Ids{7, 8, 1, 2, 4}, {});
  for (DatasetWriter* writer : {&other_labels, &none}) fill(*writer, false);
  const std::set<std::string> all = {digest,
                                     digest_of(typed, classes()),
                                     digest_of(other_lengths, classes()),
                                     digest_of(other_ids, classes()),
                                     digest_of(other_labels, Tensor::from(Ids{1, 0, 0}, {3})),
                                     digest_of(none, {})};
  EXPECT_EQ(all.size(), 6u);
}

TEST(DatasetFile, NoExamplesAtAll) {
  const TempDir folder;
  DatasetWriter writer(folder.path().string(), false);
  writer.add({}, {}, {});
  const Dataset made = writer.finish("none", {});
  writer.write(folder / "kept", made, "");
  const StoredDataset kept = open_dataset(folder / "kept", "none");
  EXPECT_EQ(kept.dataset.size(), 0);
}

TEST(DatasetFile, LivesWithoutAFolder) {
  for (const char* folder : {"", "/nowhere/at/all"}) {
    DatasetWriter writer(folder, true);
    fill(writer, true);
    expect_examples(writer.finish("made", classes()), classes(), true);
  }
}

TEST(DatasetFile, AMadeOneOutlivesItsWriter) {
  const TempDir folder;
  Dataset made;
  {
    DatasetWriter writer(folder.path().string(), false);
    fill(writer, false);
    made = writer.finish("made", classes());
  }
  expect_examples(made, classes(), false);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(DatasetFile, ACutOrChangedFileIsAnError) {
  const TempDir folder;
  DatasetWriter writer(folder.path().string(), true);
  fill(writer, true);
  writer.write(folder / "kept", writer.finish("made", classes()), "labels");
  const std::string whole = read_file(folder / "kept");
  const auto error = [&](const char* name) {
    const std::string path = folder / name, message = message_of([&] { (void)open_dataset(path, "x"); });
    EXPECT_TRUE(message.empty() || message.starts_with(path + ": ")) << message;
    return message.substr(std::min(message.size(), path.size() + 2));
  };
  EXPECT_EQ(error("missing"), "No such file or directory");
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write_file(folder / "cut", whole.substr(0, size));
    EXPECT_NE(error("cut"), "") << size;
  }
  const std::size_t values = whole.size() - (4 * 8 + 5 * 4 + 3 * 4 + 5 * 4);
  for (std::size_t at = values; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write_file(folder / "changed", changed);
    EXPECT_EQ(error("changed"), "its tensors are damaged") << at;
  }
  write_file(folder / "whole", whole);
  EXPECT_EQ(error("whole"), "");
}

TEST(DatasetFile, OtherSafetensorsFilesAreErrors) {
  const TempDir folder;
  write_safetensors(folder / "other", {{"ids", Tensor::zeros({3}, DType::kInt32)}}, {});
  EXPECT_EQ(message_of([&] { (void)open_dataset(folder / "other", "x"); }),
            folder / "other: there is no tensor 'starts'");
}

}  // namespace
}  // namespace attune::testing
