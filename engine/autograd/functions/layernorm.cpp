#include "engine/ops/layernorm.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable layernorm(const Variable& x, const Variable& weight, const Variable& bias, double eps, DType dtype) {
  const Op op{"layer norm", {&weight, &bias}};
  const ops::LayerNormSpec spec{.eps = eps, .dtype = dtype, .stream = false, .dropout = {}};
  ops::LayerNormOut out = ops::layernorm_forward(x.value(), Tensor(), weight.value(), bias.value(), spec);
  if (!recording(x, weight, bias)) return unrecorded(op, std::move(out.y));
  Tensor y = std::exchange(out.y, Tensor());  // backward does not need it
  return recorded(op, std::move(y),
                  [dx = x.grad(), weight, dbias = bias.grad(), spec, saved = std::move(out)](const Tensor& dy) {
                    ops::layernorm_backward({dx.target(), {}, weight.grad().target(), dbias.target()},
                                            {.dy = dy, .dstream = {}, .dsum = {}}, saved, weight.value(), false, spec);
                  });
}

ResidualNorm residual_layernorm(const Variable& residual, const Variable& branch, const Variable& weight,
                                const Variable& bias, const ResidualNormSpec& how) {
  const DType dtype = branch.value().dtype();
  const ops::LayerNormSpec spec{.eps = how.eps, .dtype = dtype, .stream = how.stream, .dropout = how.dropout};
  ops::LayerNormOut out = ops::layernorm_forward(branch.value(), residual.value(), weight.value(), bias.value(), spec);
  const bool record = recording(residual, branch, weight, bias);
  const bool whole = dtype == out.sum.dtype();  // y is not rounded: normed and stream are one
  const Variable sum(out.sum, record && (residual.requires_grad() || branch.requires_grad()));
  const Variable normed(std::exchange(out.y, Tensor()), record);
  Variable stream;
  if (how.stream) stream = whole ? normed : Variable(std::exchange(out.stream, Tensor()), record);
  out.stream = Tensor();
  if (record)
    Tape::current()->record(
        {sum.grad(), normed.grad(), stream.grad()},
        [weight, spec, whole, dsum = sum.grad(), dy = normed.grad(), dstream = stream.grad(),
         dresidual = residual.grad(), dbranch = branch.grad(), dbias = bias.grad(), saved = std::move(out)] {
          // Without dropout both inputs have the same gradient: if it has one type, one buffer is computed and shared.
          const bool share = whole && spec.dropout.p == 0 && dresidual.requires_grad() && !dresidual.tensor().defined();
          const GradTarget branch_target = share ? GradTarget{} : dbranch.target();
          ops::layernorm_backward(
              {branch_target, dresidual.target(), weight.grad().target(), dbias.target()},
              {.dy = dy.tensor(), .dstream = whole ? Tensor() : dstream.tensor(), .dsum = dsum.tensor()}, saved,
              weight.value(), true, spec);
          if (share) dbranch.add(dresidual.tensor());
        });
  const Op norm{"layer norm", {&weight, &bias}};
  return {seen({"residual sum"}, sum), seen(norm, normed), seen(norm, stream)};
}

}  // namespace attune
