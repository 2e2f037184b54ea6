// AdamW over the trainable parameters of a module, with gradient clipping.
//
// By default all parameters form one group (the reference recipe decays biases, norms and embeddings too). Groups may
// have other learning rates, or no weight decay. A parameter without a gradient is skipped: its moments and its own
// step count do not change (torch.optim.AdamW).
//
// Of a large table a step changes only the rows that have a gradient, and the others later, when they are read
// (kernels/adamw_rows.h). No bit depends on it.
//
// The state may be divided over processes: each has the moments of its share of every parameter, and changes that share
// alone. A share is whole pieces of the norm, so that norm and update have the bits of a state that is not divided.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/nn/module.h"
#include "engine/ops/adamw.h"

namespace attune {

/// Which tables have late rows: those that are faster with them, none, or every one.
enum class LateTables : std::uint8_t { kLarge, kNone, kAll };

/// What a group of parameters has of its own.
struct AdamWGroup {
  double learning_rate_scale = 1;  // of the learning rate of the step
  bool decays = true;              // or its weight decay is 0
  friend bool operator==(const AdamWGroup&, const AdamWGroup&) = default;
};

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1;
  double max_grad_norm = 0;  // gradients are clipped to this norm if positive
  LateTables late_tables = LateTables::kLarge;
  std::function<AdamWGroup(const std::string& name)> group_of = {};  // of a parameter; empty: one group
};

/// The state that later steps depend on, parameter by parameter. The tensors share the optimizer's bytes.
struct AdamWState {
  struct Moments {
    std::string name;         // of the parameter
    Tensor m, v;              // if the state is divided, those of this process's share, as one dimension
    std::int64_t missed = 0;  // steps without a gradient
  };
  std::int64_t steps = 0;
  std::vector<Moments> moments;
};

/// What a process holds of a state that is divided over several.
struct AdamWShare {
  /// Elements [begin, end) of a parameter, from a multiple of ops::kNormPiece on.
  struct Part {
    std::int64_t begin, end;
  };
  /// A parameter by its number, and its own part of the gradient.
  struct Gradient {
    std::size_t parameter;
    Tensor values;
  };
  std::vector<Part> own;  // of each parameter
  /// Sets `norm` (float64 [1]) to that of all parts of these gradients, as ops::grad_norm does to that of whole ones.
  std::function<void(const InPlace& norm, const std::vector<Gradient>& own)> measure;
};

class AdamWOptimizer {
 public:
  /// Holds two moments per element of each parameter given; with a share, of the own part of each, and no table then has
  /// late rows.
  AdamWOptimizer(std::vector<NamedParameter> parameters, const AdamWOptions& options,
                 std::optional<AdamWShare> share = {});
  /// Leaves no row late.
  ~AdamWOptimizer();
  AdamWOptimizer(const AdamWOptimizer&) = delete;
  AdamWOptimizer& operator=(const AdamWOptimizer&) = delete;

  /// One step: begin_step and update.
  void step(double learning_rate) {
    begin_step(learning_rate);
    update();
  }
  /// Sends the numbers of the next step to the device. A captured update() is replayed after this.
  void begin_step(double learning_rate);
  /// Steps begun.
  std::int64_t steps() const { return steps_; }
  /// If the loss (one number, on the parameters' device) is not finite, this update and all later ones change nothing.
  void stop_at(const Tensor& loss) const;
  /// Measures and clips the gradients, and applies them. From the first update on whose gradients are not finite,
  /// nothing changes any more. Only starts work on the device. If the state is divided: reads and changes the own share
  /// of every parameter, whose gradients are those of all processes; AdamWShare::measure may be collective.
  void update();
  /// Norm of all gradients, as one vector, at the last update: float64 [1] on the parameters' device.
  const Tensor& norm() const { return norm_; }
  /// Whether update() may be captured and replayed: every parameter has had a gradient at every step, and has one now.
  bool capturable() const;
  /// The parameters that have had no gradient at any step, by the name of their first element.
  std::vector<std::string> without_gradient() const;
  /// Drops all gradients.
  void zero_grad() const;

  /// The parameters, in the order given.
  std::vector<NamedParameter> parameters() const;

  AdamWState state() const;
  /// Continues from where state() was taken, whole also if the state is divided here. Throws Error if the state belongs
  /// to other parameters.
  void restore(const AdamWState& state);
  /// Bytes of the moments in this process.
  std::size_t bytes() const;

 private:
  class LateTable;
  struct Slot {
    NamedParameter named;
    std::int64_t group = 0;
    Tensor m, v;
    std::int64_t missed = 0;                    // steps without a gradient
    std::shared_ptr<LateTable> late = nullptr;  // null: every step changes all of it
    std::optional<AdamWShare::Part> own = {};   // none: all of it

    Tensor own_of(const Tensor& whole) const { return own ? whole.elements(own->begin, own->end) : whole; }
  };
  Device device() const { return slots_.front().m.device(); }
  bool is_late_table(const Parameter& parameter) const;
  std::int64_t group_of(const std::string& name);
  Tensor scalars_at(std::int64_t step) const;
  void measure();
  ops::AdamWSpec spec() const { return {options_.beta1, options_.beta2, options_.eps}; }

  std::optional<AdamWShare> share_;  // none: the state is whole
  std::vector<Slot> slots_;
  std::vector<AdamWGroup> groups_;
  Tensor scalars_;  // ops::adamw_scalars of parameters that have missed no step: float64 [groups, 3]
  AdamWOptions options_;
  std::int64_t steps_ = 0;
  Tensor norm_, clip_;  // float64 [1]
  Tensor stop_;         // float64 [1]: 0, or NaN after a loss or norm that is not finite
  double learning_rate_ = 0;
};

}  // namespace attune
