#include "engine/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/clock.h"
#include "base/math.h"
#include "engine/data/batch_part.h"
#include "engine/tensor/finite.h"
#include "engine/train/divided.h"
#include "engine/train/windows.h"

namespace attune {
namespace {

// Parameters that have no published name get that of the module.
void name_parameters(const Module& model) {
  for (const auto& [name, parameter] : parameters_of(model))
    if (parameter.names().empty()) parameter.set_names({name});
}

// A moving average reads every row after every step, so none may be late; and the devices of several processes add whole
// tables.
AdamWOptions optimizer_options(const TrainOptions& options, const TrainData& data) {
  AdamWOptions out = options.adamw;
  const bool whole_sums = !data.processes.alone() && data.device == Device::kCuda;
  if (options.ema_decay != 0 || whole_sums) out.late_tables = LateTables::kNone;
  return out;
}

// Of a whole in which nothing may count: then its loss is 0 (kernels/cross_entropy.h), and so are all shares.
double share_of(double weight, double whole) {
  return whole == 0 ? 0 : weight / whole;
}

}  // namespace

Trainer::Trainer(const Module& model, LogitsFn logits, const Task& task, const TrainData& data,
                 const TrainOptions& options)
    : model_(model),
      logits_(logits_of_texts(std::move(logits), data.form)),
      task_(task),
      data_(data),
      options_(options),
      generator_(options.seed),
      shares_(options.shard_optimizer && !data.processes.alone()
                  ? std::make_unique<Shares>(state_shares(data.processes, parameters_of(model, true)))
                  : nullptr),
      optimizer_(parameters_of(model, true), optimizer_options(options, data),
                 shares_ ? std::optional(adamw_share(*shares_)) : std::nullopt),
      average_(options.ema_decay != 0 ? std::make_unique<MovingAverage>(model, options.ema_decay, shares_.get())
                                      : nullptr),
      train_(store(data.train, training_rows())),
      validation_(store(data.validation, evaluation_rows(data.validation))),
      train_rows_(options.group_by_length || options.batch_tokens > 0 ? train_.rows_of_examples()
                                                                      : std::vector<std::int32_t>{}),
      train_evaluator_(logits_, task, train_, options.graphs, data.processes),
      validation_evaluator_(logits_, task, validation_, options.graphs, data.processes),
      runner_(logits_, task, optimizer_,
              {.seed = options.seed,
               .accumulation_steps = options.accumulation_steps,
               .graphs = options.graphs,
               .average = average_.get(),
               .processes = data.processes.alone() ? nullptr : &data.processes,
               .devices = data.devices,
               .exchange_bucket = options.exchange_bucket,
               .shares = shares_.get()}) {
  name_parameters(model);
  CHECK(options.batch_size >= 1, "the batch size must be at least 1, not ", options.batch_size);
  CHECK(options.batch_tokens > 0 || options.batch_size % data.processes.world() == 0, "a batch of ", options.batch_size,
        " texts cannot be shared equally by ", data.processes.world(), " processes");
  CHECK(options.batch_tokens >= 0, "a batch must have at least 1 token, not ", options.batch_tokens);
  CHECK(options.batch_tokens == 0 || data.train.size() > 0, data.train.name, ": there are no training examples");
  CHECK(options.batch_tokens > 0 || data.train.size() >= options.batch_size, data.train.name, ": ", data.train.size(),
        " training examples do not fill one batch of ", options.batch_size);
  CHECK(options.accumulation_steps >= 1, "the number of accumulation steps must be at least 1, not ",
        options.accumulation_steps);
  if (!options.keep_best.empty()) {
    CHECK(options.eval_every > 0, "the best model is chosen among evaluations, but the run has none");
    CHECK(data.validation.size() > 0 && data.validation.labels.defined(), data.validation.name,
          ": has no labelled examples to choose the best model by");
    best_model_.emplace(model, task, options.keep_best, options.patience);
  }
  plan_ = plan();
  options_.schedule = options_.schedule.over(plan_.optimizer_steps(options.accumulation_steps));
}

EpochPlan Trainer::plan() const {
  if (options_.batch_tokens == 0)
    return EpochPlan::even(options_.epochs, data_.train.size() / options_.batch_size, options_.max_steps);
  return EpochPlan::drawn({.seed = options_.seed,
                           .rows = train_.size(),
                           .options = training_options(),
                           .epochs = options_.epochs,
                           .max_steps = options_.max_steps,
                           .eval_every = options_.independent_evaluation ? 0 : options_.eval_every,
                           .eval_epochs = !options_.independent_evaluation});
}

ExampleStore Trainer::store(const Dataset& dataset, std::int64_t batch_rows) const {
  const std::int64_t multiple = data_.device == Device::kCuda ? packed_row_multiple(batch_rows, 1) : 1;
  return ExampleStore(dataset, data_.form, data_.device, multiple);
}

std::int64_t Trainer::evaluation_rows(const Dataset& dataset) const {
  return max_windows(dataset, options_.batch_size) * kept_length(dataset);
}

std::int64_t Trainer::training_rows() const {
  if (options_.batch_tokens == 0) return evaluation_rows(data_.train);
  return std::max(options_.batch_tokens, max_windows(data_.train, 1) * kept_length(data_.train));
}

std::int64_t Trainer::kept_length(const Dataset& dataset) const {
  const std::int64_t longest = std::max<std::int64_t>(dataset.longest(), 1), limit = data_.form.max_length;
  return limit > 0 ? std::min(longest, limit) : longest;
}

std::size_t Trainer::predict_peak_memory() {
  const std::int64_t length = kept_length(data_.train);
  // A packed batch is filled up with rows, as if it had some more examples.
  const std::int64_t multiple = data_.form.packed ? packed_row_multiple(training_rows(), 1) : 1;
  std::int64_t rows = training_rows();
  if (const std::int64_t world = data_.processes.world(); world > 1) {  // a process has a part of the batch
    rows = options_.batch_tokens == 0
               ? max_windows(data_.train, options_.batch_size / world) * length
               : std::min(rows, ceil_div(options_.batch_tokens, world) + max_windows(data_.train, 1) * length);
  }
  std::int64_t examples = ceil_div(ceil_div(rows, multiple) * multiple, length);
  if (!data_.form.packed && options_.batch_tokens > 0) examples = std::max<std::int64_t>(rows / length, 1);
  return runner_.predict_peak_memory(data_.train, data_.form, examples, length);
}

LoaderOptions Trainer::loader_options(bool training_split) const {
  const bool drop_last = training_split && options_.batch_tokens == 0;
  return {.batch_size = options_.batch_size, .shuffle = training_split, .drop_last = drop_last};
}

LoaderOptions Trainer::training_options() const {
  LoaderOptions out = loader_options(true);
  out.group_by_length = options_.group_by_length;
  out.batch_tokens = options_.batch_tokens;
  out.lengths = train_rows_;
  return out;
}

// Runs a step that failed again. `found`: the first tensor that is not finite; returned: what the end of the error
// says.
std::string Trainer::find_cause(const StepResult& result, std::optional<NotFinite>& found) {
  const std::int64_t batch = result.step - plan_.first_step(epoch_), before = batch % options_.accumulation_steps;
  std::vector<StepBatch> group;  // the batches of its optimizer step, up to this one
  for (std::int64_t i = batch - before; i <= batch; ++i) group.push_back(own(step_batch(i)));
  Rerun again;
  std::string end;
  try {
    again = runner_.run_again(train_, result.step - before, group);
    const bool same = !data_.processes.alone() || again.loss == result.loss || std::isnan(result.loss);
    end = str_cat("; run again, the step has the loss ", again.loss, " and every tensor is finite",
                  same ? "" : ": memory or processor may be faulty");
  } catch (const OutOfMemory& error) {
    end = str_cat("; the memory does not suffice to run the step again and name the tensor: ", error.what());
  }
  found = found_on_any(data_.processes, again.found);
  return found ? "; the first tensor that is not finite is " + found->text() : end;
}

void Trainer::check_finite(const StepResult& result) {
  if (std::isfinite(result.loss) && std::isfinite(result.grad_norm.value_or(0))) return;
  const bool by_loss = !std::isfinite(result.loss);
  const double value = by_loss ? result.loss : *result.grad_norm;
  std::optional<NotFinite> found;
  const std::string tensor = find_cause(result, found);
  throw NotFiniteError(
      str_cat("training stopped at step ", result.step, ": the ", by_loss ? "loss" : "norm of the gradient", " is ",
              std::isnan(value) ? "nan" : str_cat(value), tensor),
      result.step, found);
}

void Trainer::check() {
  with_average(average_.get(), [&] { return check_on_all(data_.processes, [&] { check_model(); }), true; });
}

void Trainer::check_model() {
  for (const auto& [name, parameter] : parameters_of(model_, true))
    if (const auto element = first_not_finite(parameter.exact())) {
      const NotFinite found{NotFinite::Kind::kWeight, parameter.grad().name_of(*element)};
      throw NotFiniteError(str_cat("training stopped after ", step_, " steps: ", found.text(), " is not finite"),
                           step_ - 1, found);
    }
  std::vector<std::int32_t> first(static_cast<std::size_t>(std::min(validation_.size(), options_.batch_size)));
  std::iota(first.begin(), first.end(), 0);
  try {
    if (!latest_examples_.empty()) train_evaluator_.check(latest_examples_);
    if (!first.empty() && validation_.labels().defined()) validation_evaluator_.check(first);
  } catch (const OutOfMemory&) {  // the steps filled the memory; saving needs none, and evaluations come later
  }
}

void Trainer::report(TrainObserver& observer, const std::vector<StepResult>& results) {
  // Steps that arrive together share the time since the last arrival.
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < results.size(); ++i) tokens += started_[i].tokens;
  const double seconds = results.empty() ? 0 : seconds_since(std::max(started_.front().begin, last_report_));
  for (const StepResult& result : results) {
    const Started started = started_.front();
    started_.pop_front();
    check_finite(result);
    observer.step({result.step, started.epoch, result.loss, started.learning_rate, result.grad_norm,
                   static_cast<double>(tokens) / seconds});
  }
  if (!results.empty()) last_report_ = Clock::now();
}

double Trainer::seconds() const {
  return seconds_before_ + (begin_ ? seconds_since(*begin_) : 0);
}

// Batch `i` of the epoch, with its share of the optimizer step that it is a part of.
StepBatch Trainer::step_batch(std::int64_t i) const {
  const std::int64_t group = options_.accumulation_steps;
  if (options_.batch_tokens == 0 || group == 1) return {epoch_pass_->batch(i), 1.0 / static_cast<double>(group)};
  const auto weight = [&](std::int64_t k) { return task_.weight(train_.labels(), epoch_pass_->batch(k)); };
  const std::int64_t begin = i / group * group, last = total_steps() - plan_.first_step(epoch_);
  double sum = 0;
  for (std::int64_t k = begin; k < std::min({begin + group, epoch_pass_->batches(), last}); ++k) sum += weight(k);
  return {epoch_pass_->batch(i), share_of(weight(i), sum)};
}

// Of a batch, the examples that are this process's. If none of them counts, then one that counts, if there is one, with
// no share: it gives every gradient a value, which is zero.
StepBatch Trainer::own(const StepBatch& whole) const {
  const Communicator& processes = data_.processes;
  if (processes.alone()) return whole;
  const auto weight = [&](std::span<const std::int32_t> examples) { return task_.weight(train_.labels(), examples); };
  const std::span<const std::int32_t> all = whole.examples;
  auto examples = part_of_batch(all, processes.rank(), processes.world(),
                                options_.batch_tokens > 0 ? train_rows_ : std::span<const std::int32_t>());
  const double part = share_of(weight(examples), weight(all));
  for (std::size_t i = 0; i < all.size() && (examples.empty() || part == 0); ++i)
    if (examples = all.subspan(i, 1); weight(examples) > 0) break;
  return {.examples = examples,
          .share = whole.share * part,
          .part = part,
          .before = train_.sequences_of(all.first(static_cast<std::size_t>(examples.data() - all.data())))};
}

// Every epoch and the run end with an optimizer step, even if the group of batches is not full.
void Trainer::start_batch() {
  const std::int64_t i = batch_;
  const bool update =
      (i + 1) % options_.accumulation_steps == 0 || i + 1 == epoch_pass_->batches() || step_ + 1 == total_steps();
  const double learning_rate = options_.schedule.at(optimizer_steps_);
  const StepBatch whole = step_batch(i), batch = own(whole);
  started_.push_back({epoch_, learning_rate, train_.tokens_of(whole.examples), Clock::now()});
  latest_examples_.assign(batch.examples.begin(), batch.examples.end());
  runner_.start(train_, batch, step_, update ? std::optional(learning_rate) : std::nullopt);
  optimizer_steps_ += update ? 1 : 0;
  if (update && optimizer_steps_ == 1) check_gradients();
  ++batch_;
  ++step_;
}

void Trainer::check_gradients() const {
  const std::vector<std::string> unused = optimizer_.without_gradient();
  CHECK(unused.empty(), "training stopped at the first step: ", unused.front(),
        unused.size() > 1 ? str_cat(" and ", unused.size() - 1, " more trained tensors have") : " is trained and has",
        " no gradient; the model does not use ", unused.size() > 1 ? "them" : "it");
}

bool Trainer::run(TrainObserver& observer, const std::function<bool()>& stop, const SavePlan& plan) {
  begin_ = Clock::now();
  observer.begin(step_, total_steps());
  check_same_weights();
  const bool left = std::exchange(evaluation_left_, false) && evaluates(step_ - 1);
  if (left && !evaluate(observer, stop)) return false;
  if (!run_batches(observer, stop, plan)) return false;
  if (!best_model_ || step_ == 0 || evaluates(step_ - 1)) return true;
  const std::optional<double> value = with_average(average_.get(), [&] { return evaluate_best_measure(stop); });
  evaluation_left_ = !value;
  if (value) best_model_->offer_last(step_ - 1, *value);
  return value.has_value();
}

bool Trainer::run_batches(TrainObserver& observer, const std::function<bool()>& stop, const SavePlan& plan) {
  while (epoch_ <= options_.epochs && (!ended() || epoch_pass_)) {
    if (!epoch_pass_) epoch_pass_.emplace(generator_, train_.size(), training_options());
    while (batch_ < epoch_pass_->batches() && !ended()) {
      const std::int64_t step = step_;
      start_batch();
      // Of a group that processes share, each has gradients of its own until the group ends.
      const bool between = data_.processes.alone() || !runner_.group_open();
      save_is_due_ |= plan.every > 0 && step_ % plan.every == 0;
      const bool saves = save_is_due_ && between;
      report(observer, runner_.take(evaluates(step) || saves));
      const std::function<bool()> stop_here = between ? stop : [] { return false; };
      if (evaluates(step) && !evaluate(observer, stop_here)) return false;
      if (saves) {
        check();
        save_state(plan.save);
        save_is_due_ = false;
      }
      if (data_.processes.any(stop_here()) && !trained()) {
        report(observer, runner_.take(true));
        return false;
      }
    }
    report(observer, runner_.take(true));
    if (batch_ < epoch_pass_->batches()) return true;  // the end inside of an epoch
    observer.epoch(with_average(average_.get(), [&] { return evaluate_epoch(epoch_); }));
    epoch_pass_.reset();
    batch_ = 0;
    ++epoch_;
  }
  return true;
}

}  // namespace attune
