// A data set in a file, so that the next run maps it instead of tokenizing again.
//
// The file is safetensors, so that other tools can read it: ids, starts, and type_ids, windows, labels and marks if
// they exist. Its metadata has digests of the tensors and a text from the caller that describes the labels, with its
// own. While examples arrive, their ids are written to an anonymous file, so that memory holds only where each example
// begins.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace attune {

struct StoredDataset {
  Dataset dataset;         // over mapped memory, read-only
  std::string label_text;  // as given to write()
};

/// The data set of a file under `name`. Throws Error naming the file if it cannot be read or is damaged in any way.
StoredDataset open_dataset(const std::string& path, const std::string& name);

/// A data set in the making.
class DatasetWriter {
 public:
  /// The anonymous file lies on the disk of `folder`; in memory if it is empty or has no place for one.
  DatasetWriter(const std::string& folder, bool with_type_ids);
  ~DatasetWriter();
  DatasetWriter(const DatasetWriter&) = delete;
  DatasetWriter& operator=(const DatasetWriter&) = delete;

  /// Appends examples: `lengths` of each, their ids and, if there are any, as many segments. If examples have several
  /// windows, these are the lengths of the windows, and `windows` says how many each example has, in every call.
  void add(std::span<const std::int64_t> lengths, std::span<const std::int32_t> ids,
           std::span<const std::int32_t> type_ids, std::span<const std::int64_t> windows = {});
  /// The examples, over the anonymous file. Once, after the last.
  Dataset finish(const std::string& name, const Tensor& labels);
  /// Writes them to a file atomically. Throws IoError.
  void write(const std::string& path, const Dataset& finished, const std::string& label_text) const;

 private:
  struct Column;
  std::unique_ptr<Column> ids_, type_ids_;
  std::vector<std::int64_t> starts_{0};
  std::vector<std::int64_t> windows_;  // the first window of each example and of one more; empty: each has one
};

}  // namespace attune
