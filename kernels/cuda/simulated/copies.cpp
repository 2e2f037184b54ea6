// Copies to, from and on the simulated device.
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/cuda/memory.h"
#include "kernels/cuda/simulated/failing_calls.h"
#include "kernels/cuda/simulated/launch.h"
#include "kernels/cuda/simulated/memory.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {
namespace {

using Kind = simulated::Piece::Kind;

}  // namespace

void copy_to_device(void* device, const void* host, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  simulated::on_call(simulated::Call::kCopy);
  std::vector<std::byte> staged(bytes);
  std::memcpy(staged.data(), host, bytes);
  enqueue(stream, {.run =
                       [device, staged = std::move(staged)] {
                         simulated::check_device_memory(device, staged.size(), "a copy to the device");
                         std::memcpy(device, staged.data(), staged.size());
                       },
                   .kind = Kind::kCopy,
                   .copy = {.to = device, .bytes = bytes}});
}

void copy_to_host(void* host, const void* device, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  simulated::on_call(simulated::Call::kCopy);
  enqueue(stream, {.run =
                       [=] {
                         simulated::check_device_memory(device, bytes, "a copy to the host");
                         std::memcpy(host, device, bytes);
                       },
                   .kind = Kind::kCopy,
                   .copy = {.from = device, .bytes = bytes}});
}

void copy_on_device(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  simulated::on_call(simulated::Call::kCopy);
  enqueue(stream, {.run =
                       [=] {
                         simulated::check_device_memory(from, bytes, "a copy from the device");
                         simulated::check_device_memory(to, bytes, "a copy to the device");
                         std::memmove(to, from, bytes);
                       },
                   .kind = Kind::kCopy,
                   .copy = {.from = from, .to = to, .bytes = bytes}});
}

void set_zero(void* device, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  simulated::on_call(simulated::Call::kCopy);
  enqueue(stream, {.run =
                       [=] {
                         simulated::check_device_memory(device, bytes, "clearing");
                         std::memset(device, 0, bytes);
                       },
                   .kind = Kind::kCopy,
                   .copy = {.to = device, .bytes = bytes}});
}

}  // namespace attune::cuda
