// What is fitted to the predictions for a validation split after training: a temperature, which makes probabilities as
// sure as they are right, and the thresholds of several labels.
//
// Guo et al., On Calibration of Modern Neural Networks, 2017: logits are divided by one temperature T before they become
// probabilities, and T has the smallest log-loss. That loss is convex in 1 / T, so a bracketed Newton iteration on
// log T finds it. Above 1, a temperature makes probabilities less sure; it never changes which class is the likeliest.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/tensor/tensor.h"
#include "engine/train/task.h"

namespace attune {

/// Temperatures are fitted in this range.
inline constexpr double kMinTemperature = 0.05, kMaxTemperature = 20;

struct TemperatureFit {
  enum class End : std::uint8_t {
    kMinimum,  // the loss has its minimum there
    kAtMin,  // kMinTemperature: the loss goes on falling below; no label is predicted wrongly, or logits differ little
    kAtMax,  // kMaxTemperature: the loss goes on falling above; the logits are worse than none, or differ much
    kConstant,  // 1: the loss does not depend on it, because the logits of each example are equal or 0
  };
  double temperature = 1;
  End end = End::kMinimum;
};

/// The temperature with the smallest mean log-loss, from logits [E, outputs] and labels, host tensors. Throws Error if E
/// is 0, or if the task's outputs are numbers.
TemperatureFit fit_temperature(const Task& task, const Tensor& logits, const Tensor& labels);

/// A threshold of one label, and the F1 of predicting the label above it.
struct Threshold {
  double value = 0.5;
  double f1 = 0;
};
/// The threshold with the best F1, from the probabilities of E examples: halfway between two neighbouring ones, 0 and 1
/// included. Of several with the best F1 the one nearest to 0.5; 0.5 without positive examples.
Threshold best_f1_threshold(std::span<const double> probabilities, std::span<const std::uint8_t> positive);

/// The threshold at another temperature above which the same logits are.
double moved_threshold(double threshold, double from_temperature, double to_temperature);

/// The same task with another temperature and, if they are not empty, other thresholds.
std::unique_ptr<Task> with_fit(const Task& task, double temperature, std::vector<double> thresholds = {});

}  // namespace attune
