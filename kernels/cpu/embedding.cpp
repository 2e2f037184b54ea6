#include "kernels/embedding.h"

#include <algorithm>
#include <vector>

#include "base/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/row_gradient.h"

namespace attune::kernels {
namespace {

constexpr std::int64_t kSlice = 64;  // channels one thread scatters: every token in order, a few cache lines each

// y = a + b + c in this order; null is skipped.
template <class T>
ATTUNE_INLINE void add_embeddings(T* y, const T* a, const T* b, const T* c, std::int64_t channels) {
  for (std::int64_t i = 0; i < channels; ++i) y[i] = a[i];
  if (b != nullptr)
    for (std::int64_t i = 0; i < channels; ++i) y[i] += b[i];
  if (c != nullptr)
    for (std::int64_t i = 0; i < channels; ++i) y[i] += c[i];
}

// The row of dtable that each token's gradient is added to; -1: none.
std::vector<std::int32_t> places_of(const EmbeddingBackward& args) {
  std::vector<std::int32_t> places(args.ids, args.ids + args.tokens);
  for (std::int32_t n = 0; n < args.tokens; ++n) {
    std::int32_t& place = places[static_cast<std::size_t>(n)];
    if (place == args.padding_id) {
      place = -1;
    } else if (args.marks != nullptr) {
      std::int32_t& mark = args.marks[place];
      if (mark < kFirstSlot || !args.compact) mark = kFirstSlot + (args.compact ? n : place);
      place = mark - kFirstSlot;
    }
  }
  return places;
}

template <class T>
ATTUNE_INLINE void scatter(T* dtable, const T* dy, const std::int32_t* places, std::int64_t tokens,
                           std::int64_t channels, std::int64_t width) {
  for (std::int64_t n = 0; n < tokens; ++n) {
    if (places[n] < 0) continue;
    T* row = dtable + places[n] * channels;
    for (std::int64_t c = 0; c < width; ++c) row[c] += dy[n * channels + c];
  }
}

}  // namespace

void embedding_forward(const CpuContext&, const EmbeddingForward& args) {
  dispatch_float(args.dtype, "embedding", [&]<class T>() {
    parallel_for(args.tokens, row_grain(args.channels), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        const auto row = [&](const EmbeddingTable& t) {
          return t.table == nullptr ? nullptr : static_cast<const T*>(t.table) + t.ids[n] * args.channels;
        };
        vectorized<add_embeddings<T>>(static_cast<T*>(args.y) + n * args.channels, row(args.words), row(args.types),
                                      row(args.positions), args.channels);
      }
    });
  });
}

void embedding_backward(const CpuContext&, const EmbeddingBackward& args) {
  if (!args.dtable) return;
  dispatch_float(args.dtype, "embedding backward", [&]<class T>() {
    T* dtable = static_cast<T*>(args.dtable.data);
    const T* dy = static_cast<const T*>(args.dy);
    const std::int64_t rows = args.compact ? args.tokens : args.rows;
    if (!args.dtable.accumulate())
      parallel_for(rows * args.channels, kElementGrain,
                   [&](std::int64_t begin, std::int64_t end) { std::fill(dtable + begin, dtable + end, T(0)); });
    const std::vector<std::int32_t> places = places_of(args);
    parallel_for(args.channels, kSlice, [&](std::int64_t begin, std::int64_t end) {
      vectorized<scatter<T>>(dtable + begin, dy + begin, places.data(), args.tokens, args.channels, end - begin);
    });
  });
}

}  // namespace attune::kernels
