#include "engine/tensor/exchange_stream.h"

#include "engine/tensor/context.h"
#include "engine/tensor/side_work.h"
#include "kernels/cuda/context.h"

namespace attune {

// First priority: an exchange that waits for the end of the main stream's kernels would not overlap with them.
ExchangeStream::ExchangeStream() : context_(new kernels::CudaContext) {}

const ExchangeStream& ExchangeStream::get() {
  static const ExchangeStream stream;
  return stream;
}

void ExchangeStream::follow() const {
  if (SideWork* side = SideWork::current()) return side->lead(context_->stream());
  cuda::Event given;
  given.record(cuda_context().stream());
  context_->stream().wait(given);
}

void ExchangeStream::join() const {
  cuda::Event done;
  done.record(context_->stream());
  cuda_context().stream().wait(done);
}

void* ExchangeStream::native() const {
  return context_->stream().native();
}

}  // namespace attune
