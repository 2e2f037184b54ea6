// The state of a run as one value: everything that the next steps depend on. It can be saved after any batch. A run
// with the same options and data that restores it continues to the same bits.
//
// A checkpoint is one safetensors file. Its tensors are value.NAME of every parameter, m.NAME and v.NAME of the trained
// ones, and gradient.NAME if an accumulation group is not complete. Its metadata has the rest as JSON under `run`, with
// dtype, shape and SHA-256 of every tensor, and under `run_sha256` the digest of that JSON. Reading detects every
// damaged bit. That is format 1. The file of a run that keeps its best model has format 2: also best.NAME of the
// trained parameters, and `best_model` in the JSON. That of a run with a moving average of its weights has format 3:
// also average.NAME of the trained parameters, and what format 2 has if it keeps its best model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/safetensors.h"

namespace attune {

/// The evaluation with the lowest validation loss of a run.
struct BestEvaluation {
  std::int64_t step;
  double validation_loss;
};

/// A value of the measure that the best model is chosen by.
struct BestValue {
  std::int64_t step;  // the last batch before the evaluation
  double value;
};

struct RunState {
  /// What engine/train/best_model.h adds.
  struct BestModelState {
    std::string measure;
    std::optional<BestValue> best;       // none: no value was defined
    std::int64_t evaluations_since = 0;  // the best one
  };
  /// A parameter and what its optimizer holds.
  struct Parameter {
    std::string name;
    Tensor value;             // float32 master if it has one
    Tensor m, v;              // moments of AdamW; undefined if it is frozen
    Tensor gradient;          // in the value's dtype on the device; undefined if none is to be kept
    std::int64_t missed = 0;  // optimizer steps without a gradient
    Tensor best = {};         // the value at the best evaluation; undefined if it is not kept, or frozen
    Tensor average = {};      // the moving average; undefined if it is not kept, or frozen
    /// Those of these tensors that are divided over processes, by their names in the file (engine/train/divided.h); they
    /// are undefined above.
    std::vector<TensorSource> divided = {};
  };

  std::int64_t step = 0;                   // batches done
  std::int64_t epoch = 1;                  // of the current pass, or of the next one
  std::int64_t batch = 0;                  // batches of that pass done
  std::optional<std::uint64_t> pass_seed;  // LoaderPass::seed() of the current pass; none: it has not begun
  std::int64_t optimizer_steps = 0;
  bool group_open = false;                        // some batches of an accumulation group are done, and gradients kept
  bool finished = false;                          // nothing is left to be trained
  bool evaluation_left = false;                   // the evaluation after these batches was stopped, and comes first
  std::string generator;                          // TorchGenerator::state()
  std::optional<BestEvaluation> best;             // none: nothing was evaluated
  std::optional<BestModelState> best_model = {};  // none: the run does not keep it
  double seconds = 0;                             // of training so far
  std::optional<std::int64_t> log_offset;         // bytes of the log file that belong to the batches done; none: no log
  std::string log_digest;                         // SHA-256 of these bytes; empty: no log

  std::int64_t rank = 0, world = 1;                          // this process among those that share the run
  std::string version;                                       // of attune
  std::vector<std::pair<std::string, std::string>> options;  // what the run was requested, by name; and its data
  std::string history;  // what the caller notes of the steps so far, UTF-8; empty: nothing

  std::string digest = {};  // of all of it, if it was read from a file

  std::vector<Parameter> parameters;  // of the model, in its order
};

/// Writes a checkpoint atomically; tensors on a device are copied to the host one at a time, and divided ones are read
/// in the same way. Throws IoError.
void write_run_state(const std::string& path, const RunState& state);
/// Reads one, its tensors to the host. Throws IoError; Error naming the file, and the tensor or the scalars, if a bit
/// is damaged, a part is missing, or the format is another.
RunState read_run_state(const std::string& path);

}  // namespace attune
