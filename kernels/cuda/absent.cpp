// The interface of kernels/cuda in a build without CUDA (ATTUNE_CUDA=none): there is no device, and making a context
// throws the error that says so. Everything else needs a context and is therefore not reached.
#include "base/check.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"

namespace attune::cuda {
namespace {

[[noreturn]] void refuse() {
  throw Error(unavailable_reason());
}

}  // namespace

bool available() {
  return false;
}
std::string unavailable_reason() {
  return "no CUDA device can be used: this build of attune has no CUDA; build with the cuda preset";
}
void set_schedule_seed(std::uint64_t) {}
const char* backend_name() {
  return "none";
}
const DeviceInfo& device_info() {
  refuse();
}

struct Stream::State {};
Stream::Stream(Priority) {
  refuse();
}
Stream::~Stream() = default;
void Stream::synchronize() const {}
void Stream::wait(const Event&) const {}
void Stream::begin_capture() const {}
Graph Stream::end_capture() const {
  refuse();
}
void Stream::abandon_capture() const {}
bool Stream::capturing() const {
  return false;
}
void* Stream::native() const {
  return nullptr;
}

struct Event::State {};
Event::Event() {
  refuse();
}
Event::~Event() = default;
void Event::record(const Stream&) {}
void Event::synchronize() const {}

struct Graph::State {};
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
void Graph::launch(const Stream&) const {}

void copy_to_device(void*, const void*, std::size_t, const Stream&) {}
void copy_to_host(void*, const void*, std::size_t, const Stream&) {}
void copy_on_device(void*, const void*, std::size_t, const Stream&) {}
void set_zero(void*, std::size_t, const Stream&) {}

void* arena_allocate(std::size_t, const Stream&) {
  refuse();
}
void arena_free(void*, const Stream&) noexcept {}
ArenaUse arena_use() {
  return {};
}
void reset_arena_peak() {}
void arena_release() {}
std::size_t free_bytes() {
  return 0;
}
void* pinned_allocate(std::size_t) {
  refuse();
}
void pinned_free(void*, std::size_t) noexcept {}

}  // namespace attune::cuda

namespace attune::kernels {

struct CudaContext::Kept {};
CudaContext::CudaContext(cuda::Priority) {}  // its stream refuses
CudaContext::~CudaContext() = default;
void CudaContext::set_cudnn_attention(bool) {}

}  // namespace attune::kernels
