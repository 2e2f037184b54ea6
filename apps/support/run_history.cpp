#include "apps/support/run_history.h"

#include <utility>
#include <vector>

#include "json/value.h"

namespace attune {
namespace {

// The curves with their names in the text.
constexpr std::pair<const char*, ThinnedCurve RunCurves::*> kCurves[] = {
    {"loss", &RunCurves::loss},
    {"learning_rate", &RunCurves::learning_rate},
    {"grad_norm", &RunCurves::grad_norm},
    {"evaluated_train_loss", &RunCurves::train_loss},
    {"evaluated_validation_loss", &RunCurves::validation_loss},
    {"keep_best", &RunCurves::measured}};

json::Value curve_json(const ThinnedCurve& curve) {
  json::Value buckets = json::Value::array();
  for (const ThinnedCurve::Bucket& b : curve.buckets())
    buckets.push_back(json::Value::array({b.index, b.count, b.sum, b.min.step, b.min.value, b.max.step, b.max.value}));
  return json::Value::object({{"width", curve.width()}, {"buckets", buckets}});
}

ThinnedCurve curve_of(const json::Value& in) {
  std::vector<ThinnedCurve::Bucket> buckets;
  for (const json::Value& bucket : in["buckets"].items()) {
    const std::vector<json::Value> v = bucket.items();
    if (v.size() != 7) bucket.fail("must be a list of seven numbers");
    buckets.push_back({.index = v[0].integer(0),
                       .count = v[1].integer(1),
                       .sum = v[2].number(),
                       .min = {v[3].integer(0), v[4].number()},
                       .max = {v[5].integer(0), v[6].number()}});
  }
  return {in["width"].integer(1), std::move(buckets)};
}

}  // namespace

void RunHistory::add(const StepRecord& record) {
  curves_.loss.add(record.step, record.loss);
  curves_.learning_rate.add(record.step, record.learning_rate);
  if (record.grad_norm) curves_.grad_norm.add(record.step, *record.grad_norm);
}

void RunHistory::add(const EvaluationRecord& record) {
  curves_.train_loss.add(record.step, record.train_loss);
  curves_.validation_loss.add(record.step, record.validation_loss);
  if (record.measure) curves_.measured.add(record.step, record.measure->value);
}

std::string RunHistory::text() const {
  json::Value out = json::Value::object();
  for (const auto& [name, curve] : kCurves) out.set(name, curve_json(curves_.*curve));
  return out.dump();
}

void RunHistory::restore(const std::string& text) {
  curves_ = {};
  if (text.empty()) return;
  const json::Value in = json::parse(text, "the history of the run");
  for (const auto& [name, curve] : kCurves) curves_.*curve = curve_of(in[name]);
}

}  // namespace attune
