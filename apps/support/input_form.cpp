#include "apps/support/input_form.h"

#include "base/check.h"
#include "models/hf_config.h"

namespace attune {

json::Value InputForm::to_json() const {
  return json::Value::object({{"attune_max_length", max_length},
                              {"attune_fill", fill},
                              {"attune_mask_padding", mask_padding},
                              {"attune_pad_id", pad_id}});
}

InputForm InputForm::read(const json::Value& config, std::int64_t positions, std::int64_t vocab_size) {
  InputForm form;
  form.max_length = config.integer_or("attune_max_length", positions);
  if (form.max_length < 0 || form.max_length > positions)
    config["attune_max_length"].fail(str_cat(form.max_length, " does not fit a model of ", positions, " positions"));
  if (form.max_length == 0) form.max_length = positions;
  form.fill = config.boolean_or("attune_fill", false);
  form.mask_padding = config.boolean_or("attune_mask_padding", false);
  form.pad_id = static_cast<std::int32_t>(token_id_or(config, "attune_pad_id", 0, vocab_size));
  return form;
}

BatchForm InputForm::batch_form() const {
  return {.max_length = max_length, .pad_id = pad_id, .packed = !fill, .mask = mask_padding};
}

}  // namespace attune
