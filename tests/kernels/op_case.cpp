#include "tests/kernels/op_case.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace attune::testing {
namespace {

using namespace kernels;

class CpuBackend : public Backend {
 public:
  std::string name() const override { return "cpu"; }
  Context context() const override { return CpuContext{}; }
  void* allocate(std::size_t bytes) override { return ::operator new (bytes, std::align_val_t{64}); }
  void release(void* data) override { ::operator delete (data, std::align_val_t{64}); }
  void upload(void* to, const void* from, std::size_t bytes) override { std::memcpy(to, from, bytes); }
  void download(void* to, const void* from, std::size_t bytes) override { std::memcpy(to, from, bytes); }
  void copy(void* to, const void* from, std::size_t bytes) override { std::memcpy(to, from, bytes); }
};

}  // namespace

Backend& cpu_backend() {
  static CpuBackend backend;
  return backend;
}

void* Call::operator[](const std::string& name) const {
  const auto found = buffers_.find(name);
  return found == buffers_.end() ? nullptr : found->second;
}

void with_masks(OpCase& op, std::vector<std::int32_t> row_keys, std::int32_t step) {
  op.ints.push_back({"row_keys", std::move(row_keys)});
  op.mask_step = step;
}

DropoutMask mask_of(const Call& c, float p, std::uint64_t seed, std::uint32_t step, std::uint32_t site) {
  const auto* step_at = static_cast<const std::uint32_t*>(c["step_at"]);
  return {.p = p,
          .seed = seed,
          .step = step_at == nullptr ? step : ~step,
          .site = site,
          .row_keys = static_cast<const std::uint32_t*>(c["row_keys"]),
          .step_at = step_at};
}

GradOut Call::grad(const std::string& name) const {
  const auto found = grads_.find(name);
  return found == grads_.end() ? GradOut{} : found->second;
}

}  // namespace attune::testing
