#include "models/classifier.h"

namespace attune {

void set_trainable(const Classifier& model, TrainableLayers layers) {
  for (const ParameterRow& row : model.table().rows()) row.parameter.set_requires_grad(layers >= row.trained_from);
}

void set_low_rank_trainable(const Classifier& model) {
  for (const ParameterRow& row : model.table().rows())
    row.parameter.set_requires_grad(row.role == Role::kLowRank || row.optional);
}

}  // namespace attune
