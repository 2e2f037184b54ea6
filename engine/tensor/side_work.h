// Work of the CUDA device that nothing waits for until later.
//
// In a backward pass the gradients of weights and biases are such work: the next layer needs only the gradient of the
// activations. The results are the same, bit for bit, as if it was done at once.
//
// Sums over rows (gradients of biases and of layer norm's parameters) wait for others, since alone they are too short for
// a launch of their own: until one launch can do no more of them, or what they read may leave the device's cache. Other
// work is put on a second stream, next to the main one. That pays where single kernels are too small for the device: a
// step of a GPT of 6 x 384 at 8 x 128 tokens took 0.88 ms instead of 0.96 on an H200, one of 12 x 768 at 8 x 256, whose
// products fill it, 4.14 instead of 4.12.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/tensor/tensor.h"
#include "kernels/context.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/stream.h"

namespace attune {

/// While it lives, it takes work that need not be done before its end: join() makes the main stream wait for all of it.
class SideWork {
 public:
  /// Within the life of another one of this thread it adds to that one.
  SideWork();
  ~SideWork();
  SideWork(const SideWork&) = delete;
  SideWork& operator=(const SideWork&) = delete;

  /// Later work of `stream` starts after all that was given so far, sums included.
  void lead(const cuda::Stream& stream);
  /// To be called at the end. The destructor does it too, but cannot report an error.
  void join();

  /// The one of this thread, or null.
  static SideWork* current();

  /// Starts `work`, with the second stream's context, after what the main stream has been given so far. `read` are the
  /// tensors it reads: they are kept until the main stream has waited for it. Nothing else may write to them, nor read or
  /// write what `work` writes, before the end. `work` may not allocate device memory.
  void run(std::vector<Tensor> read, const std::function<void(const kernels::CudaContext&)>& work);

  /// Sums over rows, on the main stream, together with others. `x` is what sum.x points into: it is kept until then and
  /// may not change. Nothing but other sums may read or write the outputs before the end.
  void sum_columns(const cuda::ColumnSum& sum, Tensor x);

 private:
  struct State;
  std::unique_ptr<State> state_;  // null within another one
};

}  // namespace attune
