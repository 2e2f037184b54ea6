// Memory that a thread keeps between kernel calls for its intermediate results.
//
// A slot holds one buffer per thread and grows to the largest size requested; its content is not kept between calls.
// Two buffers in use at once on one thread take two slots.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "base/per_thread.h"

namespace attune::kernels {

enum class ScratchSlot : std::size_t { kGemmA, kGemmB, kGemmLastRows, kScores, kScoreGrads, kRow, kPartials, kCount };

/// At least `n` elements of T, aligned to 64 bytes, with unspecified content.
template <class T>
T* scratch(ScratchSlot slot, std::int64_t n) {
  struct Free {
    void operator()(void* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  struct Buffer {
    std::unique_ptr<void, Free> data;
    std::size_t bytes = 0;
  };
  static const PerThread<std::array<Buffer, static_cast<std::size_t>(ScratchSlot::kCount)>> buffers;
  Buffer& buffer = buffers.get()[static_cast<std::size_t>(slot)];
  const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T);
  if (buffer.bytes < bytes) {
    buffer.data.reset();
    buffer.bytes = 0;
    buffer.data.reset(::operator new (bytes, std::align_val_t{64}));
    buffer.bytes = bytes;
  }
  return static_cast<T*>(buffer.data.get());
}

}  // namespace attune::kernels
