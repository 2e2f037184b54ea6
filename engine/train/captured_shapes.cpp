#include "engine/train/captured_shapes.h"

#include <algorithm>
#include <utility>

namespace attune {

const std::vector<Tensor>& CapturedShapes::run(const ExampleStore& store, std::span<const std::int32_t> examples,
                                               bool graphs, const Work& work) {
  const BatchShape shape = store.shape_of(examples);
  const Tensor choice = store.choice(examples);
  if (!graphs || !warm_) {
    direct_ = {};
    direct_.batch = store.make(shape);
    direct_.batch.choice.copy_from(choice);
    direct_.results = work(direct_.batch);
    warm_ = true;
    return direct_.results;
  }
  auto found = captured_.find(shape);
  if (found == captured_.end()) {
    if (this->graphs() == max_graphs_) drop_oldest();
    Entry made;
    made.batch = store.make(shape);
    made.graph = std::make_unique<CapturedWork>([&] { made.results = work(made.batch); });
    found = captured_.emplace(shape, std::move(made)).first;
  }
  found->second.batch.choice.copy_from(choice);
  found->second.used = ++runs_;
  found->second.graph->replay();
  return found->second.results;
}

// Steps that are still running are of the latest few runs, and so not of this graph.
void CapturedShapes::drop_oldest() {
  captured_.erase(std::ranges::min_element(captured_, {}, [](const auto& entry) { return entry.second.used; }));
}

}  // namespace attune
