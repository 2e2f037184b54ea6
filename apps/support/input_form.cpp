#include "apps/support/input_form.h"

#include "base/check.h"
#include "models/hf_config.h"

namespace attune {

json::Value batch_form_json(const BatchForm& form) {
  return json::Value::object({{"attune_max_length", form.max_length},
                              {"attune_fill", !form.packed},
                              {"attune_mask_padding", form.mask},
                              {"attune_pad_id", form.pad_id}});
}

BatchForm read_batch_form(const json::Value& config, std::int64_t positions, std::int64_t vocab_size) {
  BatchForm form;
  form.max_length = config.integer_or("attune_max_length", positions);
  if (form.max_length < 0 || form.max_length > positions)
    config["attune_max_length"].fail(str_cat(form.max_length, " does not fit a model of ", positions, " positions"));
  if (form.max_length == 0) form.max_length = positions;
  form.packed = !config.boolean_or("attune_fill", false);
  form.mask = config.boolean_or("attune_mask_padding", false);
  form.pad_id = static_cast<std::int32_t>(token_id_or(config, "attune_pad_id", 0, vocab_size));
  return form;
}

}  // namespace attune
