// A library that the CUDA driver loads into any program, and that writes down what ran on the GPU and when: every kernel,
// copy and fill, those inside of graphs too, as the hardware's clock has them. It lengthens a step by about 1 %.
//
//   CUDA_INJECTION64_PATH=build/cuda/bin/libattune_kernel_trace.so ATTUNE_KERNEL_TRACE=FILE bench_train_step ...
//
// A line of FILE is `start end stream grid name`, times in nanoseconds. scripts/kernel_times.py adds them up.
//
// CUPTI documentation: "Activity API", "CUPTI Injection".
#include <cupti.h>
#include <cxxabi.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace {

std::FILE* file = nullptr;

void CUPTIAPI give_buffer(std::uint8_t** buffer, std::size_t* size, std::size_t* max_records) {
  constexpr std::size_t kBytes = std::size_t{8} << 20;
  *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(8, kBytes));
  *size = *buffer == nullptr ? 0 : kBytes;
  *max_records = 0;  // as many as fit
}

void write(const CUpti_Activity* record) {
  const auto line = [](const auto* activity, const char* grid, const char* name) {
    std::fprintf(file, "%llu %llu %u %s %s\n", static_cast<unsigned long long>(activity->start),
                 static_cast<unsigned long long>(activity->end), activity->streamId, grid, name);
  };
  switch (record->kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: {
      const auto* kernel = reinterpret_cast<const CUpti_ActivityKernel9*>(record);
      char grid[64];
      std::snprintf(grid, sizeof grid, "%d,%d,%d", kernel->gridX, kernel->gridY, kernel->gridZ);
      char* plain = abi::__cxa_demangle(kernel->name, nullptr, nullptr, nullptr);  // null of a C function
      line(kernel, grid, plain == nullptr ? kernel->name : plain);
      return std::free(plain);
    }
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      return line(reinterpret_cast<const CUpti_ActivityMemcpy5*>(record), "-", "copy");
    case CUPTI_ACTIVITY_KIND_MEMSET:
      return line(reinterpret_cast<const CUpti_ActivityMemset4*>(record), "-", "fill");
    default:
      return;
  }
}

void CUPTIAPI take_buffer(CUcontext, std::uint32_t, std::uint8_t* buffer, std::size_t, std::size_t valid) {
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) write(record);
  std::free(buffer);
}

void finish() {
  cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
  if (std::fclose(file) != 0) std::perror("kernel trace");
}

}  // namespace

// The driver calls it before the program's first use of CUDA. Returns 1, or 0 where nothing can be written.
extern "C" int InitializeInjection() {
  const char* path = std::getenv("ATTUNE_KERNEL_TRACE");
  file = path == nullptr ? nullptr : std::fopen(path, "w");
  if (file == nullptr) {
    std::fprintf(stderr, "kernel trace: ATTUNE_KERNEL_TRACE names no file that can be written\n");
    return 0;
  }
  bool ok = cuptiActivityRegisterCallbacks(give_buffer, take_buffer) == CUPTI_SUCCESS;
  for (const CUpti_ActivityKind kind :
       {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY, CUPTI_ACTIVITY_KIND_MEMSET})
    ok = ok && cuptiActivityEnable(kind) == CUPTI_SUCCESS;
  if (!ok) std::fprintf(stderr, "kernel trace: CUPTI cannot trace this program\n");
  std::atexit(finish);
  return ok ? 1 : 0;
}
