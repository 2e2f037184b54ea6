// Calls that are counted and fail on request; the device's properties; error texts.
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "tests/fake_cuda/control.h"
#include "tests/fake_cuda/device.h"

namespace attune::fake_cuda {
namespace {

struct Counts {
  std::map<std::string, std::int64_t> calls;
  std::int64_t all = 0, at = 0;
  std::string failing, failed;
  int status = 0;
  bool once = true;
};
Counts& counts() {
  static auto* instance = new Counts;
  return *instance;
}

struct Found {
  int count = 1, major = 8, status = 0;
};
Found& found() {
  static Found instance;
  return instance;
}

}  // namespace

Device& device() {
  static auto* instance = new Device;
  return *instance;
}

Call::Call(const char* name, int status_on_request) : lock_(device().mutex) {
  Counts& c = counts();
  const std::int64_t of_name = ++c.calls[name];
  ++c.all;
  if (c.at != 0 && (c.failing.empty() ? c.all : of_name) >= c.at && (c.failing.empty() || c.failing == name)) {
    if (c.once) c.at = 0;
    c.failed = name;
    status_ = c.status != 0 ? c.status : status_on_request;
  } else if (device().fault != cudaSuccess) {
    status_ = device().fault;
  }
  if (status_ != 0) device().last_error = error();
}

cudaError_t Call::end(cudaError_t status) const {
  if (!ok()) return error();
  if (status == cudaSuccess) status = device().fault;  // that this call found
  if (status != cudaSuccess) device().last_error = status;
  return status;
}

void fail_call(const std::string& call, std::int64_t at, int status) {
  const std::scoped_lock lock(device().mutex);
  counts() = {};
  counts().failing = call;
  counts().at = at;
  counts().status = status;
}

void fail_calls_from(const std::string& call, std::int64_t at) {
  fail_call(call, at);
  counts().once = false;
}

std::int64_t calls(const std::string& call) {
  const std::scoped_lock lock(device().mutex);
  return call.empty() ? counts().all : counts().calls[call];
}

std::string failed_call() {
  return counts().failed;
}

void mistake(const std::string& line) {
  device().mistakes.push_back(line);
}

std::vector<std::string> take_mistakes() {
  return std::exchange(device().mistakes, {});
}

std::ostream& operator<<(std::ostream& out, const Live& live) {
  return out << live.device_blocks << " blocks of device memory, " << live.pinned_blocks << " of pinned memory, "
             << live.streams << " streams, " << live.events << " events, " << live.graphs << " graphs, "
             << live.executables << " executable graphs, " << live.handles << " handles and " << live.descriptors
             << " descriptors of cuBLASLt";
}

void set_memory(std::size_t bytes) {
  device().memory = bytes;
}

void set_compute(bool on) {
  device().compute = on;
}

void set_devices(int count, int major, int status) {
  found() = {count, major, status};
}

}  // namespace attune::fake_cuda

using namespace attune::fake_cuda;  // the functions below are those of the interface, which has no namespace

cudaError_t cudaGetLastError() {
  return std::exchange(device().last_error, device().fault);
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInvalidDeviceFunction:
      return "invalid device function";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureUnjoined:
      return "capturing stream has unjoined work";
    default:
      return "another error";
  }
}

cudaError_t cudaGetDeviceCount(int* count) {
  const Call call("cudaGetDeviceCount");
  *count = found().count;
  return call.end(static_cast<cudaError_t>(found().status));
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int index) {
  const Call call("cudaDeviceGetAttribute");
  if (index >= found().count) return call.end(cudaErrorInvalidValue);
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? found().major : 0;
  return call.end(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  const Call call("cudaGetDeviceProperties");
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "fake device");
  properties->totalGlobalMem = device().memory;
  properties->sharedMemPerBlockOptin = std::size_t{163} << 10;
  properties->major = found().major;
  properties->multiProcessorCount = 4;
  return call.end(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int* version) {
  const Call call("cudaDriverGetVersion");
  *version = CUDART_VERSION;
  return call.end(cudaSuccess);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  const Call call("cudaDeviceGetStreamPriorityRange");
  *least = 0;
  *greatest = -5;
  return call.end(cudaSuccess);
}
