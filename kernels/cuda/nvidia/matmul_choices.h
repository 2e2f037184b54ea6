// The algorithms that runs on this machine have chosen for matrix products, in a file: a line for each choice.
#pragma once

#include <cublasLt.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace attune::cuda {

class MatmulChoices {
 public:
  /// Reads the file that ATTUNE_MATMUL_CACHE names, or the one in the user's cache folder.
  MatmulChoices();

  /// The first choice noted for the shape that is usable.
  template <class Usable>
  std::optional<cublasLtMatmulAlgo_t> find(const std::string& shape, Usable&& usable) const {
    const auto [begin, end] = known_.equal_range(key_of(shape));
    const auto found = std::find_if(begin, end, [&](const auto& line) { return usable(line.second); });
    return found == end ? std::nullopt : std::optional(found->second);
  }
  /// Notes a choice. Of processes that choose at the same time the first to note it has chosen for all: find it. A file
  /// that cannot be written costs the next run its own timing, nothing else.
  void note(const std::string& shape, const cublasLtMatmulAlgo_t& choice);

 private:
  void read();
  std::string key_of(const std::string& shape) const { return machine_ + " " + shape; }

  std::string machine_;  // device, version of cuBLASLt, version of the driver: another one has other algorithms
  std::filesystem::path path_;
  std::multimap<std::string, cublasLtMatmulAlgo_t> known_;  // by key, in the file's order
};

}  // namespace attune::cuda
