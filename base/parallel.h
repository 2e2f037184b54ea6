// One pool of threads for the whole process, and parallel loops whose pieces never depend on the number of threads.
//
// parallel_for cuts [0, n) into pieces of `grain` (the last may be shorter) and calls body(begin, end) once per piece,
// in any order, on any thread. Since the cut depends on n and grain alone, a computation whose pieces are independent
// is bitwise the same on 1 and on 64 threads. A loop inside a piece runs on its own thread, in order. If a piece throws
// an exception, the caller receives it when all pieces have ended that were begun; if several throw, one of them. Several
// threads may call it at the same time; loops that use the pool then run one after the other.
#pragma once

#include <cstdint>
#include <type_traits>

namespace attune {

/// Threads used by parallel_for, the caller's included; at first the number of cores this process may run on.
int num_threads();
/// Changes the number of threads (at least 1). Not to be called from inside parallel_for, nor while another thread may be
/// in it or in num_threads(). Throws Error if the system refuses that many; the number then stays unchanged.
void set_num_threads(int threads);

namespace detail {
void run_pieces(std::int64_t pieces, void (*piece)(void* body, std::int64_t index), void* body);
}

/// Calls body(begin, end) for every piece of [0, n).
template <class Body>
void parallel_for(std::int64_t n, std::int64_t grain, Body&& body) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  if (n <= grain) {
    body(std::int64_t{0}, n);
    return;
  }
  struct Call {
    std::remove_reference_t<Body>* body;
    std::int64_t n, grain;
  } call{&body, n, grain};
  detail::run_pieces((n + grain - 1) / grain,
                     [](void* raw, std::int64_t index) {
                       Call& c = *static_cast<Call*>(raw);
                       const std::int64_t begin = index * c.grain;
                       const std::int64_t end = begin + c.grain < c.n ? begin + c.grain : c.n;
                       (*c.body)(begin, end);
                     },
                     &call);
}

}  // namespace attune
