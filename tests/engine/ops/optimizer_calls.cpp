// The calls of the ops that an optimizer makes: AdamW, late rows, the norm of the gradient, clipping, moving averages.
#include "engine/ops/adamw.h"
#include "engine/ops/adamw_rows.h"
#include "engine/ops/grad_norm.h"
#include "engine/ops/moving_average.h"
#include "tests/engine/ops/op_calls.h"
#include "tests/support/message_of.h"

namespace attune::testing {

std::vector<OpCall> optimizer_calls() {
  const Argument scalars{kFirst, doubles({0.99, 0.1, 1}).view({1, 3})}, one{kRequired, doubles({1})},
      state{kRequired, floats({3})};
  const auto update = [](const Get& at) {
    const std::vector<ops::AdamWTensor> tensors{{.param = InPlace(at("param")),
                                                 .grad = at("grad"),
                                                 .m = InPlace(at("m")),
                                                 .v = InPlace(at("v")),
                                                 .master = InPlace(at("master"))}};
    ops::adamw(tensors, at("scalars"), at("grad_scale"), {0.9, 0.999, 1e-8});
  };
  const Argument table{kFirst, floats({2, 3})}, moments{kRequired, floats({2, 3})}, marks{kRequired, ints({0, 0})},
      steps{kRequired, ints({0})}, latest{kRequired, floats({64, 4})};
  const auto row_state = [](const Get& at) -> ops::AdamWRowState {
    return {InPlace(at("m")), InPlace(at("v")), {at("marks"), at("steps")}, at("latest")};
  };
  const ops::AdamWSpec spec{0.9, 0.999, 1e-8};
  const auto average = [](const Get& at) {
    const std::vector<ops::AveragedTensor> tensors{{.average = InPlace(at("average")), .value = at("value")}};
    ops::moving_average(tensors, at("rate"));
  };
  return {{"moving average",
           {{"rate", {kFirst, doubles({0.1})}}, {"average", {kAnyShape, floats({3})}}, {"value", state}},
           average},
          {"adamw catch up",
           {{"table", table},
            {"m", moments},
            {"v", moments},
            {"marks", marks},
            {"steps", steps},
            {"latest", latest},
            {"ids", {kAnyWidth, ints({1})}}},
           [=](const Get& at) { ops::adamw_catch_up(InPlace(at("table")), row_state(at), at("ids"), spec); }},
          {"adamw catch up all",
           {{"table", table}, {"m", moments}, {"v", moments}, {"marks", marks}, {"steps", steps}, {"latest", latest}},
           [=](const Get& at) { ops::adamw_catch_up_all(InPlace(at("table")), row_state(at), spec); }},
          {"adamw rows",
           {{"table", table},
            {"m", moments},
            {"v", moments},
            {"marks", marks},
            {"steps", steps},
            {"latest", latest},
            {"values", {kRequired, floats({1, 3})}},
            {"scalars", {kRequired, doubles({0.99, 0.1, 1}).view({1, 3})}},
            {"grad_scale", {kOptional, doubles({1})}}},
           [=](const Get& at) {
             ops::adamw_rows(InPlace(at("table")), row_state(at), at("values"), at("scalars"), at("grad_scale"), spec);
           }},
          {"adamw",
           {{"scalars", scalars},
            {"grad_scale", {kOptional, doubles({1})}},
            {"param", {kAnyShape, floats({3})}},
            {"grad", state},
            {"m", state},
            {"v", state}},
           update},
          {"adamw",
           {{"scalars", scalars},
            {"param", {kAnyShape, Tensor::zeros({3}, DType::kBFloat16)}},
            {"grad", {kRequired, Tensor::zeros({3}, DType::kBFloat16)}},
            {"m", state},
            {"v", state},
            {"master", state}},
           // The CPU has no kernel for bfloat16: a call that passes the checks ends there.
           [=](const Get& at) {
             const std::string message = message_of([&] { update(at); });
             if (message.find("bfloat16") == std::string::npos || message.find("where") != std::string::npos)
               CHECK(message.empty(), message);
           },
           "_bfloat16"},
          {"gradient norm",
           {{"norm", {kFirst, doubles({0})}}, {"gradient", {kAnyShape, floats({3})}}},
           [](const Get& at) { ops::grad_norm(InPlace(at("norm")), std::vector<ops::Gradient>{{at("gradient")}}); }},
          {"gradient squares",
           {{"sums", {kFirst, doubles({1})}}, {"gradient", {kAnyShape, floats({3})}}},
           [](const Get& at) { ops::grad_squares(InPlace(at("sums")), std::vector<Tensor>{at("gradient")}); }},
          {"norm of squares",
           {{"norm", {kFirst, doubles({1})}}, {"sums", {kAnyShape, doubles({3})}}},
           [](const Get& at) { ops::norm_of_squares(InPlace(at("norm")), at("sums")); }},
          {"stop at a loss",
           {{"stop", {kFirst, doubles({0})}}, {"loss", {kAnyShape, floats({1})}}},
           [](const Get& at) { ops::stop_at_loss(InPlace(at("stop")), at("loss")); }},
          {"clip scale", {{"norm", {kFirst, doubles({4})}}, {"scale", one}, {"stop", one}}, [](const Get& at) {
             ops::clip_scale(InPlace(at("scale")), InPlace(at("stop")), at("norm"), 1);
           }}};
}

}  // namespace attune::testing
