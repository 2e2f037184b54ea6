// Work on batches that is captured once per batch shape and then replayed with other examples.
//
// The first batch runs directly, without a graph: libraries initialize themselves then, and a graph must not record
// that. If there are more shapes than graphs may be kept, the graph that was not used for the longest time is dropped;
// the memory of its work is that of other graphs.
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
  /// Graphs that are kept at most.
  static constexpr std::int64_t kMaxGraphs = 128;
  explicit CapturedShapes(std::int64_t max_graphs = kMaxGraphs) : max_graphs_(max_graphs) {}

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
  /// Graphs that are kept.
  std::int64_t graphs() const { return static_cast<std::int64_t>(captured_.size()); }

 private:
  struct Entry {
    LabelledBatch batch;
    std::vector<Tensor> results;
    std::unique_ptr<CapturedWork> graph;
    std::int64_t used = 0;  // the number of its latest run
  };
  void drop_oldest();

  std::int64_t max_graphs_, runs_ = 0;
  bool warm_ = false;
  Entry direct_;  // the latest that was not captured
  std::map<BatchShape, Entry> captured_;
};

}  // namespace attune
