#include "apps/support/input_form.h"

#include "base/check.h"
#include "base/printable.h"
#include "models/hf_config.h"

namespace attune {
namespace {

constexpr const char *kFill = "attune_fill", *kMask = "attune_mask_padding";
constexpr const char *kOverlap = "attune_window_overlap", *kPooling = "attune_window_pooling", *kPairs = "attune_pairs";

}  // namespace

const char* pooling_name(WindowPooling pooling) {
  return pooling == WindowPooling::kMax ? "max" : "mean";
}

json::Value batch_form_json(const BatchForm& form) {
  json::Value out = json::Value::object({{"attune_max_length", form.max_length},
                                         {kFill, !form.packed},
                                         {kMask, form.mask},
                                         {"attune_pad_id", form.pad_id}});
  if (!form.windows) return out;
  out.set(kOverlap, form.windows->overlap);
  out.set(kPooling, pooling_name(form.windows->pooling));
  return out;
}

json::Value pairs_json(bool pairs) {
  return json::Value::object({{kPairs, pairs}});
}

std::optional<bool> read_pairs(const json::Value& config) {
  if (!config.has(kPairs)) return std::nullopt;
  return config.boolean_or(kPairs, false);
}

std::optional<WindowForm> read_windows(const json::Value& config) {
  if (!config.has(kOverlap)) return std::nullopt;
  WindowForm out{.overlap = config[kOverlap].integer()};
  if (out.overlap < 0) config[kOverlap].fail(str_cat("must be from 0 on, found ", out.overlap));
  const std::string pooling = config.string_or(kPooling, pooling_name(out.pooling));
  if (pooling == pooling_name(WindowPooling::kMax))
    out.pooling = WindowPooling::kMax;
  else if (pooling != pooling_name(WindowPooling::kMean))
    config[kPooling].fail("'" + printable(pooling) + "' is neither mean nor max");
  return out;
}

BatchForm read_batch_form(const json::Value& config, std::int64_t positions, std::int64_t vocab_size) {
  BatchForm form;
  form.max_length = config.integer_or("attune_max_length", positions);
  if (form.max_length < 0 || form.max_length > positions)
    config["attune_max_length"].fail(str_cat(form.max_length, " does not fit a model of ", positions, " positions"));
  if (form.max_length == 0) form.max_length = positions;
  form.packed = !config.boolean_or(kFill, false);
  form.mask = config.boolean_or(kMask, false);
  form.windows = read_windows(config);
  form.pad_id = static_cast<std::int32_t>(token_id_or(config, "attune_pad_id", 0, vocab_size));
  return form;
}

bool sees_padding(const json::Value& config) {
  return config.boolean_or(kFill, false) && !config.boolean_or(kMask, false);
}

}  // namespace attune
