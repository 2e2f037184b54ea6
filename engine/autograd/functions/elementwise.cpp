#include "engine/ops/elementwise.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable residual(const Variable& residual, const Variable& branch, const DropoutSpec& dropout) {
  Tensor y = ops::residual_forward(residual.value(), branch.value(), dropout);
  if (!recording(residual, branch)) return Variable(std::move(y));
  return recorded(std::move(y), [dresidual = residual.grad(), dbranch = branch.grad(), dropout](const Tensor& dy) {
    dresidual.add(dy);
    if (dropout.p == 0)
      dbranch.add(dy);
    else if (dbranch.requires_grad())
      ops::dropout_backward(dbranch.target(), dy, dropout);
  });
}

Variable cast(const Variable& x, DType dtype) {
  if (x.value().dtype() == dtype) return x;
  Tensor y = ops::cast(x.value(), dtype);
  if (!recording(x)) return Variable(std::move(y));
  return recorded(std::move(y),
                  [dx = x.grad(), from = x.value().dtype()](const Tensor& dy) { dx.add(ops::cast(dy, from)); });
}

Variable dropout(const Variable& x, const DropoutSpec& spec) {
  if (spec.p == 0) return x;
  Tensor y = ops::dropout(x.value(), spec);
  if (!recording(x)) return Variable(std::move(y));
  return recorded(std::move(y),
                  [dx = x.grad(), spec](const Tensor& dy) { ops::dropout_backward(dx.target(), dy, spec); });
}

Variable activation(const Variable& x, Activation kind) {
  Tensor y = ops::activation_forward(x.value(), kind);
  if (!recording(x)) return Variable(std::move(y));
  return recorded(std::move(y), [dx = x.grad(), saved = x.value(), kind](const Tensor& dy) {
    ops::activation_backward(dx.target(), dy, saved, kind);
  });
}

Variable glu(const Variable& u, Activation kind) {
  Tensor y = ops::glu_forward(u.value(), kind);
  if (!recording(u)) return Variable(std::move(y));
  return recorded(std::move(y), [du = u.grad(), saved = u.value(), kind](const Tensor& dy) {
    ops::glu_backward(du.target(), dy, saved, kind);
  });
}

}  // namespace attune
