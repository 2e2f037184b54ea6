#include "engine/ops/layernorm.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable layernorm(const Variable& x, const Variable& weight, const Variable& bias, double eps) {
  ops::LayerNormOut out = ops::layernorm_forward(x.value(), Tensor(), weight.value(), bias.value(), eps, {});
  if (!recording(x, weight, bias)) return Variable(std::move(out.y));
  Tensor y = std::exchange(out.y, Tensor());  // backward does not need it
  return recorded(std::move(y), [dx = x.grad(), weight, dbias = bias.grad(), saved = std::move(out)](const Tensor& dy) {
    ops::layernorm_backward({dx.target(), {}, weight.grad().target(), dbias.target()}, dy, Tensor(), saved,
                            weight.value(), {});
  });
}

ResidualNorm residual_layernorm(const Variable& residual, const Variable& branch, const Variable& weight,
                                const Variable& bias, double eps, const DropoutSpec& dropout) {
  ops::LayerNormOut out =
      ops::layernorm_forward(branch.value(), residual.value(), weight.value(), bias.value(), eps, dropout);
  const bool record = recording(residual, branch, weight, bias);
  const Variable sum(out.sum, record && (residual.requires_grad() || branch.requires_grad()));
  const Variable normed(std::exchange(out.y, Tensor()), record);
  if (record)
    Tape::current()->record({sum.grad(), normed.grad()}, [weight, dropout, dsum = sum.grad(), dy = normed.grad(),
                                                          dresidual = residual.grad(), dbranch = branch.grad(),
                                                          dbias = bias.grad(), saved = std::move(out)] {
      CHECK(dy.tensor().defined(), "residual_layernorm: no gradient reached its normed output");
      // Without dropout both inputs get the same gradient: one buffer is computed and shared.
      const bool share = dropout.p == 0 && dresidual.requires_grad() && !dresidual.tensor().defined();
      const GradTarget branch_target = share ? GradTarget{} : dbranch.target();
      ops::layernorm_backward({branch_target, dresidual.target(), weight.grad().target(), dbias.target()}, dy.tensor(),
                              dsum.tensor(), saved, weight.value(), dropout);
      if (share) dbranch.add(dresidual.tensor());
    });
  return {sum, normed};
}

}  // namespace attune
