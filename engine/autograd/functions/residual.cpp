#include "engine/ops/residual.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"
#include "engine/ops/dropout.h"

namespace attune {

Variable residual(const Variable& residual, const Variable& branch, const DropoutSpec& dropout) {
  Tensor y = ops::residual(residual.value(), branch.value(), dropout);
  if (!recording(residual, branch)) return unrecorded({"residual sum"}, std::move(y));
  return recorded({"residual sum"}, std::move(y),
                  [dresidual = residual.grad(), dbranch = branch.grad(), dropout](const Tensor& dy) {
                    dresidual.add(dy);
                    if (dropout.p == 0)
                      dbranch.add(dy);
                    else if (dbranch.requires_grad())
                      ops::dropout_backward(dbranch.target(), dy, dropout);
                  });
}

}  // namespace attune
