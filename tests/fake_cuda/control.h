// What a test asks of the fake CUDA runtime: calls that fail, mistakes that were seen, what is still alive.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace attune::fake_cuda {

/// From now on counts calls anew, and lets the `at`-th (from 1) of those named `call` fail; "": of all; 0: none.
/// It fails with `status`, or with 0 as such a call typically does: memory is exhausted, or an unknown error. Calls
/// that wait, or destroy something, do so all the same: they report errors of earlier work.
void fail_call(const std::string& call, std::int64_t at, int status = 0);
/// The same for this one and all later ones.
void fail_calls_from(const std::string& call, std::int64_t at);
/// Calls since then.
std::int64_t calls(const std::string& call = "");
/// The name of the call that failed last on request; empty: none did since fail_call().
std::string failed_call();

/// Mistakes that a GPU would not report, each in a line that begins with its kind; they are forgotten by this call.
std::vector<std::string> take_mistakes();

/// Objects that were created and not destroyed.
struct Live {
  std::size_t device_blocks, pinned_blocks, streams, events, graphs, executables, handles, descriptors;
  bool operator==(const Live&) const = default;
};
Live live();
std::ostream& operator<<(std::ostream& out, const Live& live);

/// Bytes of device memory; at first 1 GiB.
void set_memory(std::size_t bytes);
/// Time of one product by the algorithm `index` of blaslt_algorithms.h; at first 1 ms each.
void set_algorithm_ms(int index, double ms);
/// Products by this algorithm so far.
std::int64_t products_by(int index);
/// Times between two events that were taken while another stream had work.
std::int64_t disturbed_times();
/// Whether kernels and products compute (at first they do). If not, new memory is zero instead of NaN, and a run is
/// fast whose results do not matter. Kernels do not know large blocks that were made meanwhile.
void set_compute(bool on);
/// Work that was put on streams and has not run.
std::size_t waiting_work();
/// After a fault: drops all work, and the device is usable again.
void recover();
/// What the process finds at its first call; at first one device of compute capability 8.0.
void set_devices(int count, int major, int status);

}  // namespace attune::fake_cuda
