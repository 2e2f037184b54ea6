#include "apps/support/input_form.h"

#include "base/check.h"

namespace attune {

ConfigChanges InputForm::config_changes() const {
  return {{"attune_max_length", std::to_string(max_length)},
          {"attune_fill", fill ? "true" : "false"},
          {"attune_mask_padding", mask_padding ? "true" : "false"},
          {"attune_pad_id", std::to_string(pad_id)}};
}

InputForm InputForm::read(const ConfigReader& config, std::int64_t model_positions) {
  InputForm form;
  form.max_length = config.integer_or("attune_max_length", model_positions);
  if (form.max_length < 0 || form.max_length > model_positions)
    config.fail(
        str_cat("attune_max_length ", form.max_length, " does not fit a model of ", model_positions, " positions"));
  if (form.max_length == 0) form.max_length = model_positions;
  form.fill = config.boolean_or("attune_fill", false);
  form.mask_padding = config.boolean_or("attune_mask_padding", false);
  form.pad_id = static_cast<std::int32_t>(config.integer_or("attune_pad_id", 0));
  return form;
}

BatchForm InputForm::batch_form() const {
  return {.max_length = max_length, .pad_id = pad_id, .packed = !fill, .mask = mask_padding};
}

}  // namespace attune
