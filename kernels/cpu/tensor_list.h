// Work on a list of tensors with `n` elements each, in pieces that do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/math.h"
#include "base/parallel.h"

namespace attune::kernels {

/// Piece numbers: tensor i is cut into pieces first[i] .. first[i + 1) of kElementGrain elements.
template <class Tensor>
std::vector<std::int64_t> first_pieces(std::span<const Tensor> tensors) {
  std::vector<std::int64_t> first{0};
  for (const Tensor& t : tensors) first.push_back(first.back() + ceil_div(t.n, kElementGrain));
  return first;
}

/// Calls body(tensor, from, n, piece) in parallel for every piece.
template <class Tensor, class Body>
void for_pieces(std::span<const Tensor> tensors, const std::vector<std::int64_t>& first, Body&& body) {
  parallel_for(first.back(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t at = std::upper_bound(first.begin(), first.end(), piece) - first.begin() - 1;
      const Tensor& tensor = tensors[static_cast<std::size_t>(at)];
      const std::int64_t from = (piece - first[static_cast<std::size_t>(at)]) * kElementGrain;
      body(tensor, from, std::min(kElementGrain, tensor.n - from), piece);
    }
  });
}

}  // namespace attune::kernels
