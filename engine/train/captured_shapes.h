// Work on batches that is captured once per batch shape and then replayed with other examples.
//
// The first batch runs directly, without a graph: libraries initialize themselves then, and a graph must not record
// that.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "engine/tensor/captured_work.h"
#include "engine/train/example_store.h"

namespace attune {

class CapturedShapes {
 public:
  /// Gathers a batch of the selected examples and works on it; returns the tensors to keep.
  using Work = std::function<std::vector<Tensor>(const LabelledBatch& batch)>;

  /// Does `work` on a batch of these examples of `store`. With `graphs`, and after a first batch, it replays the graph
  /// of the batch's shape; otherwise it works directly. `work` is called only to work directly or to capture. Returns
  /// the tensors that `work` returned; their contents are valid until the next run.
  const std::vector<Tensor>& run(const ExampleStore& store, std::span<const std::int32_t> examples, bool graphs,
                                 const Work& work);
  /// Whether the next run with `graphs` is replayed.
  bool warm() const { return warm_; }
  /// A batch has run through the model elsewhere.
  void set_warm() { warm_ = true; }
  /// Graphs captured so far.
  std::int64_t graphs() const { return static_cast<std::int64_t>(captured_.size()); }

 private:
  struct Entry {
    LabelledBatch batch;
    std::vector<Tensor> results;
    std::unique_ptr<CapturedWork> graph;
  };

  bool warm_ = false;
  Entry direct_;  // the latest that was not captured
  std::map<BatchShape, Entry> captured_;
};

}  // namespace attune
