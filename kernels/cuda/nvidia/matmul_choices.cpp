#include "kernels/cuda/nvidia/matmul_choices.h"

#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <sstream>

#include "base/environment.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/nvidia/cuda_check.h"

namespace attune::cuda {
namespace {

// The words of an algorithm, in hexadecimal digits.
std::string text_of(const cublasLtMatmulAlgo_t& algorithm) {
  std::ostringstream out;
  out.exceptions(std::ios::badbit);  // as in str_cat
  for (const std::uint64_t word : algorithm.data) out << std::hex << std::setw(16) << std::setfill('0') << word;
  return out.str();
}

std::optional<cublasLtMatmulAlgo_t> algorithm_of(const std::string& text) {
  cublasLtMatmulAlgo_t out{};
  if (text.size() != 16 * std::size(out.data) || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    return std::nullopt;
  for (std::size_t i = 0; i < std::size(out.data); ++i)
    out.data[i] = std::strtoull(text.substr(16 * i, 16).c_str(), nullptr, 16);
  return out;
}

}  // namespace

MatmulChoices::MatmulChoices() : machine_(device_info().name) {
  for (char& c : machine_) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '-';
  int driver = 0;
  CUDA_CHECK(cudaDriverGetVersion(&driver));
  machine_ += str_cat("-", cublasLtGetVersion(), "-", driver);
  if (const char* named = std::getenv("ATTUNE_MATMUL_CACHE"))
    path_ = named;
  else if (const std::string cache = user_cache_folder(); !cache.empty())
    path_ = std::filesystem::path(cache) / "attune" / str_cat("matmul-", machine_, ".txt");
  read();
}

void MatmulChoices::note(const std::string& shape, const cublasLtMatmulAlgo_t& choice) {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(path_.parent_path(), ignored);
  std::ofstream(path_, std::ios::app) << key_of(shape) + ": " + text_of(choice) + "\n";
  read();
}

void MatmulChoices::read() {
  known_.clear();
  std::ifstream in(path_);
  for (std::string line; std::getline(in, line);)
    if (const auto colon = line.rfind(": "); colon != std::string::npos)
      if (const auto algorithm = algorithm_of(line.substr(colon + 2)))
        known_.emplace(line.substr(0, colon), *algorithm);
}

}  // namespace attune::cuda
