// Memory of the fake device, and copies. Device memory is the simulator's, so that the kernels that the simulator runs
// are checked against it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/check.h"
#include "kernels/cuda/simulated/memory.h"
#include "tests/fake_cuda/control.h"
#include "tests/fake_cuda/device.h"

namespace attune::fake_cuda {
namespace {

// Bytes of host memory, or none where there is no memory any more.
std::vector<std::byte> host_bytes(const void* from, std::size_t bytes) {
  static const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  std::vector<std::byte> out(bytes);
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t got = pread(memory, out.data() + done, bytes - done,
                              static_cast<off_t>(reinterpret_cast<std::uintptr_t>(from) + done));
    if (got <= 0) return {};
    done += static_cast<std::size_t>(got);
  }
  return out;
}

bool is_pinned(const void* host) {
  const auto& pinned = device().pinned;
  auto after = pinned.upper_bound(static_cast<const std::byte*>(host));
  if (after == pinned.begin()) return false;
  --after;
  return static_cast<const std::byte*>(host) < after->first + after->second;
}

// The simulator's memory, filled with NaN, or with zeros if nothing computes. Large blocks are then pages that cost
// nothing until they are used.
void* allocate_block(std::size_t bytes) {
  if (device().compute || bytes < std::size_t{1} << 20) {
    void* block = simulated::allocate_memory(bytes);
    if (!device().compute) std::memset(block, 0, bytes);
    return block;
  }
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED, "fake device: no memory for ", bytes, " bytes");
  device().pages.insert(pages);
  return pages;
}
void free_block(void* block, std::size_t bytes) {
  if (device().pages.erase(block) == 1)
    munmap(block, bytes);
  else
    simulated::free_memory(block);
}

Task copy_from_host(void* to, const void* from, std::size_t bytes) {
  return [=, before = host_bytes(from, bytes), pinned = is_pinned(from)] {
    check_operand(to, bytes, "a copy to the device");
    const std::vector<std::byte> now = host_bytes(from, bytes);
    if (now != before || pinned != is_pinned(from))
      mistake(str_cat("changed source: ", bytes, " bytes of ", pinned ? "pinned" : "pageable",
                      " memory changed before the stream was waited for"));
    if (now.empty())
      std::memset(to, simulated::kPoison, bytes);
    else
      std::memcpy(to, now.data(), bytes);
  };
}

Task copy_to_host(void* to, const void* from, std::size_t bytes) {
  std::memset(to, simulated::kPoison, bytes);
  return [=, pinned = is_pinned(to)] {
    check_operand(from, bytes, "a copy to the host");
    if (pinned != is_pinned(to))
      mistake(str_cat("freed destination: ", bytes, " bytes of pinned memory were freed before a copy to them"));
    else
      std::memcpy(to, from, bytes);
  };
}

Task copy_on_device(void* to, const void* from, std::size_t bytes) {
  return [=] {
    check_operand(from, bytes, "a copy from the device");
    check_operand(to, bytes, "a copy to the device");
    std::memmove(to, from, bytes);
  };
}

}  // namespace

bool on_device(const void* address, std::size_t bytes) {
  const auto& blocks = device().blocks;
  const auto* begin = static_cast<const std::byte*>(address);
  auto after = blocks.upper_bound(begin);
  if (after == blocks.begin()) return false;
  --after;
  return bytes <= after->second && static_cast<std::size_t>(begin - after->first) <= after->second - bytes;
}

void check_operand(const void* address, std::size_t bytes, const std::string& what) {
  if (on_device(address, bytes)) return;
  const std::string line = str_cat("freed operand: ", what, " of ", bytes, " bytes that are no device memory any more");
  mistake(line);
  throw Error(line);
}

}  // namespace attune::fake_cuda

using namespace attune::fake_cuda;  // the functions below are those of the interface, which has no namespace

cudaError_t cudaMalloc(void** out, std::size_t bytes) {
  const Call call("cudaMalloc", cudaErrorMemoryAllocation);
  if (!call.ok()) return call.error();
  if (const cudaError_t status = unsafe_in_capture(); status != cudaSuccess) return call.end(status);
  if (out == nullptr) return call.end(cudaErrorInvalidValue);
  std::size_t free = 0;
  for (const auto& [begin, size] : device().blocks) free += size;
  free = device().memory - free;
  if (bytes > free) return call.end(cudaErrorMemoryAllocation);
  *out = allocate_block(bytes);
  device().blocks.emplace(static_cast<const std::byte*>(*out), bytes);
  return call.end(cudaSuccess);
}

// Waits for all work of the device, as the manual says of memory that no pool has.
cudaError_t cudaFree(void* block) {
  const Call call("cudaFree");
  if (const cudaError_t status = unsafe_in_capture(); status != cudaSuccess) return call.end(status);
  if (block == nullptr) return call.end(cudaSuccess);
  const auto found = device().blocks.find(static_cast<const std::byte*>(block));
  if (found == device().blocks.end()) return call.end(cudaErrorInvalidValue);
  run_all();
  free_block(block, found->second);
  device().blocks.erase(found);
  return call.end(cudaSuccess);
}

cudaError_t cudaMallocHost(void** out, std::size_t bytes) {
  const Call call("cudaMallocHost", cudaErrorMemoryAllocation);
  if (!call.ok()) return call.error();
  if (const cudaError_t status = unsafe_in_capture(); status != cudaSuccess) return call.end(status);
  *out = ::operator new (bytes, std::align_val_t{4096});
  device().pinned.emplace(static_cast<const std::byte*>(*out), bytes);
  return call.end(cudaSuccess);
}

cudaError_t cudaFreeHost(void* host) {
  const Call call("cudaFreeHost");
  if (const cudaError_t status = unsafe_in_capture(); status != cudaSuccess) return call.end(status);
  if (device().pinned.erase(static_cast<const std::byte*>(host)) == 0) return call.end(cudaErrorInvalidValue);
  ::operator delete (host, std::align_val_t{4096});
  return call.end(cudaSuccess);
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Call call("cudaMemGetInfo");
  *total = *free = device().memory;
  for (const auto& [begin, size] : device().blocks) *free -= size;
  return call.end(cudaSuccess);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const Call call("cudaMemcpyAsync");
  if (!call.ok()) return call.error();
  const bool to_device = kind != cudaMemcpyDeviceToHost, from_device = kind != cudaMemcpyHostToDevice;
  if ((to_device ? !on_device(to, bytes) : on_device(to, 1)) ||
      (from_device ? !on_device(from, bytes) : on_device(from, 1)))
    return call.end(cudaErrorInvalidValue);
  const auto issue = to_device ? from_device ? copy_on_device : copy_from_host : copy_to_host;
  return call.end(put(stream, Work{[=] { return issue(to, from, bytes); }}));
}

cudaError_t cudaMemsetAsync(void* address, int value, std::size_t bytes, cudaStream_t stream) {
  const Call call("cudaMemsetAsync");
  if (!call.ok()) return call.error();
  if (!on_device(address, bytes)) return call.end(cudaErrorInvalidValue);
  return call.end(put(stream, [=] {
    check_operand(address, bytes, "clearing");
    std::memset(address, value, bytes);
  }));
}
