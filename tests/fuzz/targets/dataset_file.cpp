// Stored data sets: what opens can be counted, checked and made into batches.
#include <numeric>

#include "apps/support/class_counts.h"
#include "apps/support/labels.h"
#include "engine/data/dataset_file.h"
#include "engine/train/example_store.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"

namespace attune::fuzz {
namespace {

// As a training run uses it.
void use(const StoredDataset& stored, LabelReader& reader) {
  const Tensor& labels = stored.dataset.labels;
  reader.restore(stored.label_text, labels);
  if (!reader.counted()) return;
  if (labels.numel() > 0) print_splits(reader.names(), {{"train", labels, facts_of(stored.dataset)}});
  check_training_labels(labels, reader.names(), 2, false, stored.dataset.name);
}

}  // namespace

void run(std::string_view input) {
  static MemoryFile file;
  file.replace(input);
  limit_tensors(std::size_t{1} << 22);
  const StoredDataset stored = open_dataset(file.path(), "stored");
  accepted();
  const Dataset& data = stored.dataset;
  require(data.longest() <= data.ids.numel(), "no example is longer than all together");
  ClassLabels classes("label", 2);
  ListedLabels listed("label", ",");
  NumberLabels numbers({"label"}, false);
  for (LabelReader* reader : std::initializer_list<LabelReader*>{&classes, &listed, &numbers})
    succeeds([&] { use(stored, *reader); });
  for (const bool packed : {false, true}) {
    std::vector<std::int32_t> some(static_cast<std::size_t>(std::min<std::int64_t>(data.size(), 4)));
    std::iota(some.begin(), some.end(), 0);
    succeeds([&] { (void)ExampleStore(data, {.max_length = 8, .packed = packed}, Device::kCpu).batch(some); });
  }
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kSealed)
