// Cases of the losses.
#include <bit>
#include <string>

#include "kernels/binary_cross_entropy.h"
#include "kernels/cross_entropy.h"
#include "kernels/mean_squared_error.h"
#include "tests/kernels/case_parts.h"
#include "tests/kernels/op_cases.h"

namespace attune::testing {
namespace {

using namespace kernels;

// Labels are float32 whatever the dtype, so a case passes them as integers of the same bits.
IntInput float_labels(std::vector<float> values) {
  IntInput out{"labels", {}};
  for (float value : values) out.values.push_back(std::bit_cast<std::int32_t>(value));
  return out;
}

}  // namespace

OpCase cross_entropy_case(std::int64_t rows, std::int64_t classes, CrossEntropyOptions o) {
  OpCase op{.op = "cross_entropy",
            .label = sizes({rows, classes}, std::string(o.class_weights ? "weights" : "") +
                                                (o.class_weights && o.label_smoothing > 0 ? "_" : "") +
                                                (o.label_smoothing > 0 ? "smoothing" : "")),
            .tolerance = kReduction};
  op.inputs = {{.name = "logits", .n = rows * classes, .low = -5, .high = 5}};
  if (o.class_weights)
    op.inputs.push_back(
        {.name = "class_weights", .n = classes, .differentiable = false, .low = 0.2, .high = 3, .statistic = true});
  op.ints = {{"labels", spread(rows, classes)}};
  op.outputs = {{"loss", 1, true, true}, {"losses", rows, false, true}, {"total_weight", 1, false, true}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      cross_entropy_forward(on, {.loss = c["loss"],
                                 .losses = c["losses"],
                                 .total_weight = c["total_weight"],
                                 .logits = c["logits"],
                                 .labels = c.ints("labels"),
                                 .class_weights = c["class_weights"],
                                 .label_smoothing = o.label_smoothing,
                                 .rows = rows,
                                 .classes = classes,
                                 .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      cross_entropy_backward(on, {.dlogits = c.grad("logits"),
                                  .dloss = c["dloss"],
                                  .total_weight = c["total_weight"],
                                  .logits = c["logits"],
                                  .labels = c.ints("labels"),
                                  .class_weights = c["class_weights"],
                                  .label_smoothing = o.label_smoothing,
                                  .rows = rows,
                                  .classes = classes,
                                  .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = elements(1.0 * rows * classes);
  op.backward_work.bytes = elements(2.0 * rows * classes);
  return op;
}

OpCase binary_cross_entropy_case(std::int64_t rows, std::int64_t classes, bool pos_weights) {
  const std::int64_t n = rows * classes;
  OpCase op{.op = "binary_cross_entropy",
            .label = sizes({rows, classes}, pos_weights ? "weights" : ""),
            .tolerance = kReduction};
  op.inputs = {{.name = "logits", .n = n, .low = -5, .high = 5}};
  if (pos_weights)
    op.inputs.push_back(
        {.name = "pos_weights", .n = classes, .differentiable = false, .low = 0.2, .high = 3, .statistic = true});
  std::vector<float> labels;
  for (std::int32_t fifth : spread(n, 5)) labels.push_back(0.25f * static_cast<float>(fifth));  // 0 and 1, and between
  op.ints = {float_labels(labels)};
  op.outputs = {{"loss", 1, true, true}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      binary_cross_entropy_forward(on, {.loss = c["loss"],
                                        .logits = c["logits"],
                                        .labels = static_cast<const float*>(c["labels"]),
                                        .pos_weights = c["pos_weights"],
                                        .rows = rows,
                                        .classes = classes,
                                        .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      binary_cross_entropy_backward(on, {.dlogits = c.grad("logits"),
                                         .dloss = c["dloss"],
                                         .logits = c["logits"],
                                         .labels = static_cast<const float*>(c["labels"]),
                                         .pos_weights = c["pos_weights"],
                                         .rows = rows,
                                         .classes = classes,
                                         .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = {8.0 * n, 6.0 * n};
  op.backward_work.bytes = {12.0 * n, 8.0 * n};
  return op;
}

OpCase mean_squared_error_case(std::int64_t n) {
  OpCase op{.op = "mean_squared_error", .label = sizes({n}), .tolerance = kReduction};
  op.inputs = {{.name = "predictions", .n = n, .low = -3, .high = 3}};
  std::vector<float> labels;
  for (std::int32_t tenth : spread(n, 51)) labels.push_back(0.1f * static_cast<float>(tenth) - 2);
  op.ints = {float_labels(labels)};
  op.outputs = {{"loss", 1, true, true}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      mean_squared_error_forward(on, {.loss = c["loss"],
                                      .predictions = c["predictions"],
                                      .labels = static_cast<const float*>(c["labels"]),
                                      .n = n,
                                      .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      mean_squared_error_backward(on, {.dpredictions = c.grad("predictions"),
                                       .dloss = c["dloss"],
                                       .predictions = c["predictions"],
                                       .labels = static_cast<const float*>(c["labels"]),
                                       .n = n,
                                       .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = {8.0 * n, 6.0 * n};
  op.backward_work.bytes = {12.0 * n, 8.0 * n};
  return op;
}

}  // namespace attune::testing
