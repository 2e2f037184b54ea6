#include "engine/tensor/side_work.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <memory>
#include <utility>

#include "engine/tensor/context.h"
#include "kernels/cuda/context.h"

namespace attune {
namespace {

thread_local SideWork* current_side_work = nullptr;

// Pieces of work that the main stream may be ahead of: more would keep more activations alive.
constexpr std::size_t kMaxPending = 4;
// Bytes that sums may wait with: what they read could be free, and is still in the device's cache, of 40 MB or more.
constexpr std::size_t kMaxHeld = std::size_t{12} << 20;

const kernels::CudaContext& side_context() {
  static kernels::CudaContext* context = new kernels::CudaContext(cuda::Priority::kSecond);  // as cuda_context()
  context->set_matmul_precision(cuda_context().matmul_precision());
  return *context;
}

}  // namespace

struct SideWork::State {
  struct Pending {
    std::unique_ptr<cuda::Event> done;
    std::vector<Tensor> read;
  };
  std::deque<Pending> pending;
  std::vector<cuda::ColumnSum> sums;  // not launched yet
  std::vector<Tensor> summed;         // what they read
  std::size_t held = 0;               // bytes of these

  void join_first() {
    cuda_context().stream().wait(*pending.front().done);
    pending.pop_front();  // the memory is free for the main stream's later work
  }
  void launch_sums() {
    if constexpr (kernels::kHasCudaOps) cuda::sum_columns(cuda_context(), sums);
    sums.clear();
    summed.clear();
    held = 0;
  }
  // Whether a sum that waits does.
  bool writes(const void* output) const {
    return output != nullptr && std::ranges::any_of(sums, [&](const cuda::ColumnSum& sum) {
             return sum.out.data == output || sum.second.data == output;
           });
  }
};

SideWork::SideWork() {
  if (current_side_work != nullptr) return;
  state_ = std::make_unique<State>();
  current_side_work = this;
}

SideWork::~SideWork() {
  if (state_ == nullptr) return;
  current_side_work = nullptr;
  try {
    join();
  } catch (const std::exception&) {  // another error is on its way, and the main stream has it as well
  }
}

SideWork* SideWork::current() {
  return current_side_work;
}

void SideWork::run(std::vector<Tensor> read, const std::function<void(const kernels::CudaContext&)>& work) {
  if (state_->pending.size() == kMaxPending) state_->join_first();
  const kernels::CudaContext& side = side_context();
  cuda::Event ready;
  ready.record(cuda_context().stream());
  side.stream().wait(ready);
  state_->pending.push_back({std::make_unique<cuda::Event>(), std::move(read)});
  cuda::Event& done = *state_->pending.back().done;
  try {
    work(side);
  } catch (...) {  // a part of it may have started
    done.record(side.stream());
    throw;
  }
  done.record(side.stream());
}

void SideWork::sum_columns(const cuda::ColumnSum& sum, Tensor x) {
  if (state_->writes(sum.out.data) || state_->writes(sum.second.data)) state_->launch_sums();  // one after the other
  state_->held += x.bytes();
  state_->sums.push_back(sum);
  state_->summed.push_back(std::move(x));
  if (state_->sums.size() == cuda::kMaxSumsOfALaunch || state_->held > kMaxHeld) state_->launch_sums();
}

void SideWork::lead(const cuda::Stream& stream) {
  if (!state_->sums.empty()) state_->launch_sums();
  cuda::Event launched;
  launched.record(cuda_context().stream());
  stream.wait(launched);
  if (!state_->pending.empty()) stream.wait(*state_->pending.back().done);  // the last one, after the others
}

void SideWork::join() {
  if (state_ == nullptr) return;
  if (!state_->sums.empty()) state_->launch_sums();
  while (!state_->pending.empty()) state_->join_first();
}

}  // namespace attune
