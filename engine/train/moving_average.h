// The exponential moving average of the parameters that an optimizer changes.
//
// It begins as the parameters. After optimizer step n, counted from 0, it is decay a + (1 - decay) p of the exact
// (float32) values p, with the decay min(decay, (1 + n) / (10 + n)): at first it follows the parameters closely. On a
// device the step only starts work, and may be captured with that of the optimizer.
//
// with_average() exchanges the two, so that a model computes with its averages.
//
// The averages may be divided over processes: each has those of its share of every parameter. While they are in use, the
// parameters have all averages, and each process keeps its share of the values.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/comm/shares.h"
#include "engine/nn/module.h"
#include "engine/train/run_state.h"

namespace attune {

class MovingAverage {
 public:
  /// Of the trained parameters, or of the own share of each. Throws Error if the decay is not in (0, 1). No parameter
  /// may have late rows: all of it must be up to date after every step. `shares` must outlive it.
  MovingAverage(const Module& model, double decay, const Shares* shares = nullptr);
  MovingAverage(const MovingAverage&) = delete;
  MovingAverage& operator=(const MovingAverage&) = delete;

  /// The decay of optimizer step n, counted from 0.
  static double decay_at(double decay, std::int64_t n);
  /// Sends the numbers of the step after `steps` optimizer steps to the device. A captured update() is replayed after
  /// this.
  void begin_step(std::int64_t steps);
  /// Moves the averages towards the values. Only starts work on the device.
  void update() const;

  /// Exchanges the averages and the values of the parameters; put_back() does it again. No bit changes. If one of the
  /// two fails, the average stays in use, and begin_step() refuses. Collective if they are divided.
  void use();
  void put_back();
  /// put_back() after another error, which is the one to report. Not if the averages are divided: the other processes
  /// may not have this error.
  void try_to_put_back() noexcept;
  /// Whether the parameters have the averages, and this the values.
  bool in_use() const { return in_use_; }

  /// Adds the averages to the state of a run; while they are in use too it is the state without that.
  void add_to(RunState& state) const;
  /// Continues from such a state. Throws Error naming the parameter if it has no average of it.
  void restore(const RunState& state);
  /// Bytes of the averages in this process.
  std::size_t bytes() const;

 private:
  void exchange();
  /// What tensors_[i] is the average of.
  Tensor own_values(std::size_t i) const;

  std::vector<NamedParameter> parameters_;
  double decay_;
  const Shares* shares_;         // null: the averages are whole
  std::vector<Tensor> tensors_;  // float32 or float64, on the devices of the parameters
  Tensor scratch_;               // for a part of one of them, so that exchanging them needs no memory
  Tensor rate_;                  // float64 [1]: 1 - decay of the step
  bool in_use_ = false;
};

/// compute(), while the parameters have their averages; as they are if there is no average (null), or it is in use
/// already. If compute() throws, the values are put back first (try_to_put_back).
template <class F>
auto with_average(MovingAverage* average, F&& compute) -> decltype(compute()) {
  if (average == nullptr || average->in_use()) return compute();
  average->use();
  try {
    auto out = compute();
    average->put_back();
    return out;
  } catch (...) {
    if (average->in_use()) average->try_to_put_back();
    throw;
  }
}

}  // namespace attune
