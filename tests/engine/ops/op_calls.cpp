#include "tests/engine/ops/op_calls.h"

#include <utility>

#include "engine/ops/activation.h"
#include "engine/ops/attention.h"
#include "engine/ops/binary_cross_entropy.h"
#include "engine/ops/cast.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/dropout.h"
#include "engine/ops/embedding.h"
#include "engine/ops/fill.h"
#include "engine/ops/glu.h"
#include "engine/ops/layernorm.h"
#include "engine/ops/linear.h"
#include "engine/ops/max_pool.h"
#include "engine/ops/mean_squared_error.h"
#include "engine/ops/pool.h"
#include "engine/ops/position_ids.h"
#include "engine/ops/rank_sum.h"
#include "engine/ops/residual.h"
#include "engine/ops/rope.h"
#include "engine/ops/scale.h"

namespace attune::testing {
namespace {

GradTarget into(const Tensor& gradient) {
  return {gradient, GradMode::kWrite};
}

DropoutSpec dropout_of(const Get& at) {
  return {.p = 0.5F, .row_keys = at("row_keys"), .step_at = at("step_at")};
}
std::vector<OpCall> elementwise_calls() {
  const Activation kind = Activation::kRelu;
  const Argument row_keys{kRequired, ints({0, 1})}, step_at{kOptional, ints({3})};
  return {
      {"activation", {{"x", {kFirst, floats({2, 3})}}}, [=](const Get& at) { ops::activation_forward(at("x"), kind); }},
      {"activation backward",
       {{"x", {kFirst, floats({2, 3})}}, {"dy", {kRequired, floats({2, 3})}}, {"dx", {kOptional, floats({2, 3})}}},
       [=](const Get& at) { ops::activation_backward(into(at("dx")), at("dy"), at("x"), kind); }},
      {"glu", {{"u", {kFirst, floats({2, 6})}}}, [=](const Get& at) { ops::glu_forward(at("u"), kind); }},
      {"glu backward",
       {{"u", {kFirst, floats({2, 6})}}, {"dy", {kRequired, floats({2, 3})}}, {"du", {kOptional, floats({2, 6})}}},
       [=](const Get& at) { ops::glu_backward(into(at("du")), at("dy"), at("u"), kind); }},
      {"dropout",
       {{"x", {kFirst, floats({2, 3})}}, {"row_keys", row_keys}, {"step_at", step_at}},
       [](const Get& at) { ops::dropout_forward(at("x"), dropout_of(at)); }},
      {"dropout backward",
       {{"dy", {kFirst, floats({2, 3})}},
        {"dx", {kOptional, floats({2, 3})}},
        {"row_keys", row_keys},
        {"step_at", step_at}},
       [](const Get& at) { ops::dropout_backward(into(at("dx")), at("dy"), dropout_of(at)); }},
      {"residual",
       {{"x", {kFirst, floats({2, 3})}},
        {"residual", {kRequired, floats({2, 3})}},
        {"row_keys", row_keys},
        {"step_at", step_at}},
       [](const Get& at) { ops::residual(at("residual"), at("x"), dropout_of(at)); }},
      {"scale",
       {{"x", {kFirst, floats({2, 3})}}, {"y", {kRequired, floats({2, 3})}}},
       [](const Get& at) { ops::scale(into(at("y")), at("x"), 2); }},
      {"rank sum",
       {{"x", {kFirst, floats({2, 3})}}, {"y", {kRequired, floats({3})}}},
       [](const Get& at) { ops::rank_sum(InPlace(at("y")), at("x")); }},
      {"cast", {{"x", {kFirst, floats({2, 3})}}}, [](const Get& at) { ops::cast(at("x"), DType::kFloat64); }},
      {"fill", {{"y", {kFirst, floats({2, 3})}}}, [](const Get& at) { ops::fill(InPlace(at("y")), 1); }},
  };
}

std::vector<OpCall> linear_calls() {
  return {
      {"linear",
       {{"x", {kFirst, floats({2, 3})}}, {"weight", {kRequired, floats({4, 3})}}, {"bias", {kOptional, floats({4})}}},
       [](const Get& at) { ops::linear_forward(at("x"), at("weight"), at("bias")); }},
      {"linear addition",
       {{"x", {kFirst, floats({2, 3})}}, {"weight", {kRequired, floats({4, 3})}}, {"y", {kRequired, floats({2, 4})}}},
       [](const Get& at) { ops::linear_add(InPlace(at("y")), at("x"), at("weight")); }},
      {"linear backward",
       {{"dy", {kFirst, floats({2, 4})}},
        {"x", {kRequired, floats({2, 3})}},
        {"weight", {kAnyWidth, floats({4, 3})}},
        {"dx", {kOptional, floats({2, 3})}},
        {"dweight", {kOptional, floats({4, 3})}},
        {"dbias", {kOptional, floats({4})}}},
       [](const Get& at) {
         ops::linear_backward({into(at("dx")), into(at("dweight")), into(at("dbias"))}, at("dy"), at("x"),
                              at("weight"));
       }}};
}

std::vector<OpCall> layernorm_calls() {
  const Argument row_keys{kRequired, ints({0, 1})}, step_at{kOptional, ints({3})}, row{kRequired, floats({3})},
      matrix{kOptional, floats({2, 3})}, statistic{kRequired, floats({2})};
  const auto spec = [](DropoutSpec dropout) {
    return ops::LayerNormSpec{.eps = 1e-5, .dtype = DType::kFloat32, .dropout = std::move(dropout)};
  };
  return {
      {"layernorm",
       {{"x", {kFirst, floats({2, 3})}}, {"residual", matrix}, {"weight", row}, {"bias", {kOptional, floats({3})}}},
       [=](const Get& at) { ops::layernorm_forward(at("x"), at("residual"), at("weight"), at("bias"), spec({})); }},
      {"layernorm",
       {{"x", {kFirst, floats({2, 3})}}, {"row_keys", row_keys}, {"step_at", step_at}},
       [=](const Get& at) {
         ops::layernorm_forward(at("x"), floats({2, 3}), floats({3}), {}, spec(dropout_of(at)));
       },
       "_dropout"},
      {"layernorm backward",
       {{"sum", {kFirst, floats({2, 3})}},
        {"mean", statistic},
        {"rstd", statistic},
        {"weight", row},
        {"dy", matrix},
        {"dstream", matrix},
        {"dsum", matrix},
        {"dx", matrix},
        {"dresidual", matrix},
        {"dweight", {kOptional, floats({3})}},
        {"dbias", {kOptional, floats({3})}},
        {"row_keys", row_keys},
        {"step_at", step_at}},
       [=](const Get& at) {
         ops::layernorm_backward({into(at("dx")), into(at("dresidual")), into(at("dweight")), into(at("dbias"))},
                                 {at("dy"), at("dstream"), at("dsum")},
                                 {.y = {}, .stream = {}, .sum = at("sum"), .mean = at("mean"), .rstd = at("rstd")},
                                 at("weight"), true, spec(dropout_of(at)));
       }},
  };
}

// Two sequences of two rows, two heads of two channels.
Sequences sequences_of(const Get& at) {
  return {.offsets = at("offsets"),
          .key_lengths = at("key_lengths"),
          .positions = at("positions"),
          .row_keys = {},
          .count = 2,
          .rows = 4,
          .max_length = 2};
}

std::vector<OpCall> sequence_calls() {
  const Argument offsets{kRequired, ints({0, 2, 4})}, key_lengths{kOptional, ints({2, 1})},
      row_keys{kRequired, ints({0, 1, 2, 3})}, step_at{kOptional, ints({3})}, positions{kRequired, ints({0, 1, 0, 1})},
      lengths{kAnyWidth, ints({2, 1})}, any_offsets{kAnyWidth, ints({0, 2, 4})};
  const Named rope{{"qkv", {kFirst, floats({4, 12})}},
                   {"positions", positions},
                   {"cosines", {kAnyWidth, floats({2, 1})}},
                   {"sines", {kRequired, floats({2, 1})}}};
  const auto attention = [](const Get& at) { return ops::AttentionSpec{.heads = 2, .dropout = dropout_of(at)}; };
  return {
      {"attention",
       {{"qkv", {kFirst, floats({4, 12})}},
        {"offsets", offsets},
        {"key_lengths", key_lengths},
        {"row_keys", row_keys},
        {"step_at", step_at}},
       [=](const Get& at) { ops::attention_forward(at("qkv"), sequences_of(at), attention(at)); }},
      {"attention backward",
       {{"qkv", {kFirst, floats({4, 12})}},
        {"dout", {kRequired, floats({4, 4})}},
        {"out", {kRequired, floats({4, 4})}},
        {"lse", {kRequired, floats({2, 4})}},
        {"offsets", offsets},
        {"key_lengths", key_lengths},
        {"row_keys", row_keys},
        {"step_at", step_at}},
       [=](const Get& at) {
         ops::attention_backward(at("dout"), {at("out"), at("lse")}, at("qkv"), sequences_of(at), attention(at));
       }},
      {"rope", rope,
       [](const Get& at) {
         ops::rope_forward(at("qkv"), sequences_of(at), 2, {at("cosines"), at("sines")});
       }},
      {"rope backward", rope,
       [](const Get& at) {
         ops::rope_backward(at("qkv"), sequences_of(at), 2, {at("cosines"), at("sines")});
       }},
      {"position ids",
       {{"token ids", {kFirst, ints({5, 6, 7, 0})}}, {"offsets", offsets}},
       [](const Get& at) { ops::position_ids(at("token ids"), sequences_of(at), 0); }},
      {"pool",
       {{"x", {kFirst, floats({4, 3})}}, {"offsets", any_offsets}, {"lengths", lengths}},
       [](const Get& at) {
         ops::pool_forward(at("x"), {at("offsets"), at("lengths"), PooledRows::kReal});
       }},
      {"pool backward",
       {{"dy", {kFirst, floats({2, 3})}},
        {"dx", {kOptional, floats({4, 3})}},
        {"offsets", any_offsets},
        {"lengths", lengths}},
       [](const Get& at) {
         ops::pool_backward(into(at("dx")), at("dy"), {at("offsets"), at("lengths"), PooledRows::kReal});
       }},
      {"max pool",
       {{"x", {kFirst, floats({4, 3})}}, {"offsets", any_offsets}},
       [](const Get& at) { ops::max_pool_forward(at("x"), at("offsets")); }},
      {"max pool backward",
       {{"x", {kFirst, floats({4, 3})}},
        {"dx", {kOptional, floats({4, 3})}},
        {"dy", {kRequired, floats({2, 3})}},
        {"offsets", any_offsets}},
       [](const Get& at) { ops::max_pool_backward(into(at("dx")), at("dy"), at("x"), at("offsets")); }},
      {"pooled row keys",
       {{"row_keys", {kFirst, ints({0, 1, 2, 3})}}, {"offsets", any_offsets}, {"lengths", lengths}},
       [](const Get& at) {
         ops::pooled_row_keys(at("row_keys"), {at("offsets"), at("lengths"), PooledRows::kLast});
       }},
  };
}

std::vector<OpCall> embedding_calls() {
  const Argument ids{kRequired, ints({0, 1})};
  return {{"embedding",
           {{"word table", {kFirst, floats({5, 3})}},
            {"token ids", {kAnyWidth, ints({0, 1})}},
            {"position table", {kOptional, floats({4, 3})}},
            {"position ids", ids},
            {"type table", {kOptional, floats({2, 3})}},
            {"token types", ids}},
           [](const Get& at) {
             ops::embedding_forward({at("word table"), at("token ids")}, {at("position table"), at("position ids")},
                                    {at("type table"), at("token types")});
           }},
          {"embedding backward",
           {{"dy", {kFirst, floats({2, 3})}},
            {"dtable", {kRequired, floats({5, 3})}},
            {"ids", ids},
            {"marks", {kOptional, ints({0, 0, 0, 0, 0})}}},
           [](const Get& at) {
             ops::embedding_backward(into(at("dtable")), at("dy"), at("ids"), -1, {.marks = at("marks")});
           }},
          {"embedding backward",
           {{"dy", {kFirst, floats({2, 3})}}, {"dtable", {kRequired, floats({2, 3})}}, {"ids", ids}},
           [](const Get& at) {
             ops::embedding_backward(into(at("dtable")), at("dy"), at("ids"), -1,
                                     {.marks = ints({0, 0, 0, 0, 0}), .compact = true});
           },
           "_compact"},
          {"clear row gradient",
           {{"marks", {kFirst, ints({0, 0})}}, {"steps", {kRequired, ints({0})}}},
           [](const Get& at) {
             ops::clear_row_gradient({at("marks"), at("steps")});
           }},
          {"spread row gradient",
           {{"dense", {kFirst, floats({2, 3})}},
            {"values", {kOptional, floats({1, 3})}},
            {"marks", {kRequired, ints({0, 0})}},
            {"steps", {kRequired, ints({0})}}},
           [](const Get& at) {
             ops::spread_row_gradient(InPlace(at("dense")), at("values"), {at("marks"), at("steps")}, false);
           }}};
}

std::vector<OpCall> loss_calls() {
  const Argument logits{kFirst, floats({2, 3})}, dlogits{kOptional, floats({2, 3})}, number{kRequired, floats({})},
      weights{kOptional, floats({3})}, labels{kRequired, floats({2, 3})}, classes{kRequired, ints({0, 2})};
  return {
      {"cross entropy",
       {{"logits", logits}, {"labels", classes}, {"class_weights", weights}},
       [](const Get& at) {
         ops::cross_entropy_forward(at("logits"), at("labels"), {.class_weights = at("class_weights")});
       }},
      {"cross entropy backward",
       {{"logits", logits},
        {"labels", classes},
        {"class_weights", weights},
        {"dlogits", dlogits},
        {"dloss", number},
        {"total_weight", number}},
       [](const Get& at) {
         ops::cross_entropy_backward(into(at("dlogits")), at("dloss"), at("total_weight"), at("logits"), at("labels"),
                                     {.class_weights = at("class_weights")});
       }},
      {"binary cross entropy",
       {{"logits", logits}, {"labels", labels}, {"pos_weights", weights}},
       [](const Get& at) { ops::binary_cross_entropy_forward(at("logits"), at("labels"), at("pos_weights")); }},
      {"binary cross entropy backward",
       {{"logits", logits}, {"labels", labels}, {"pos_weights", weights}, {"dlogits", dlogits}, {"dloss", number}},
       [](const Get& at) {
         ops::binary_cross_entropy_backward(into(at("dlogits")), at("dloss"), at("logits"), at("labels"),
                                            at("pos_weights"));
       }},
      {"mean squared error",
       {{"predictions", logits}, {"labels", labels}},
       [](const Get& at) { ops::mean_squared_error_forward(at("predictions"), at("labels")); }},
      {"mean squared error backward",
       {{"predictions", logits}, {"labels", labels}, {"dpredictions", dlogits}, {"dloss", number}},
       [](const Get& at) {
         ops::mean_squared_error_backward(into(at("dpredictions")), at("dloss"), at("predictions"), at("labels"));
       }},
  };
}

}  // namespace

std::vector<OpCall> op_calls() {
  std::vector<OpCall> out;
  for (const auto& calls : {elementwise_calls(), linear_calls(), layernorm_calls(), sequence_calls(), embedding_calls(),
                            loss_calls(), optimizer_calls()})
    out.insert(out.end(), calls.begin(), calls.end());
  return out;
}

void PrintTo(const OpCall& call, std::ostream* out) {
  *out << call.op << call.variant;
}

}  // namespace attune::testing
