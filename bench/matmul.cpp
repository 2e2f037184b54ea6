// Times the CPU's matrix product next to those of BLAS libraries, for every linear layer of the published models and in
// the three forms that a step of training needs:  y = x W^T,  dx = dy W,  dW = dy^T x.
//
// A peer is a shared library with cblas_sgemm (OpenBLAS, BLIS, MKL's libmkl_rt.so) or dnnl_sgemm (oneDNN). It is opened
// when the program starts, so nothing is linked. Contenders run in turn, each for a few tens of milliseconds, round after
// round; the figures are medians. Libraries take their number of threads from the environment (OMP_NUM_THREADS,
// OPENBLAS_NUM_THREADS, MKL_NUM_THREADS): set it to that of --threads.
#include <dlfcn.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/cpu/gemm.h"

namespace attune {
namespace {

enum class Form { kForward, kInputGradient, kWeightGradient };

struct Layer {
  const char* models;
  std::int64_t rows, inputs, outputs;
};

// Rows: the batch of a step, 8 texts of 256 tokens (MiniLM: of 128).
constexpr Layer kLayers[] = {
    {"gpt2, bert", 2048, 768, 2304},
    {"gpt2, bert, distilbert, modernbert-base", 2048, 768, 768},
    {"gpt2, bert, distilbert", 2048, 768, 3072},
    {"gpt2, bert, distilbert", 2048, 3072, 768},
    {"modernbert-base", 2048, 1152, 768},
    {"roberta-large, modernbert-large", 2048, 1024, 1024},
    {"roberta-large", 2048, 1024, 4096},
    {"roberta-large", 2048, 4096, 1024},
    {"modernbert-large", 2048, 1024, 3072},
    {"modernbert-large", 2048, 1024, 5248},
    {"modernbert-large", 2048, 2624, 1024},
    {"minilm", 1024, 384, 384},
    {"minilm", 1024, 384, 1536},
    {"minilm", 1024, 1536, 384},
    {"gpt 2 x 256", 2048, 256, 768},
    {"gpt 2 x 256", 2048, 256, 1024},
    {"gpt 2 x 256", 2048, 1024, 256},
};

// C = op(A) op(B), row-major, packed.
struct Product {
  bool transpose_a, transpose_b;
  std::int64_t m, n, k;
  std::int64_t lda() const { return transpose_a ? m : k; }
  std::int64_t ldb() const { return transpose_b ? k : n; }
};

Product product_of(const Layer& layer, Form form) {
  switch (form) {
    case Form::kForward:
      return {false, true, layer.rows, layer.outputs, layer.inputs};
    case Form::kInputGradient:
      return {false, false, layer.rows, layer.inputs, layer.outputs};
    case Form::kWeightGradient:
      return {true, false, layer.outputs, layer.inputs, layer.rows};
  }
  return {};
}

struct Contender {
  std::string name;
  std::function<void(const Product&, const float* a, const float* b, float* c)> run;
};

Contender attune_contender(bool bfloat16) {
  return {bfloat16 ? "attune, bfloat16" : "attune",
          [bfloat16](const Product& p, const float* a, const float* b, float* c) {
            (bfloat16 ? kernels::bfloat16_gemm : kernels::parallel_gemm<float>)({.c = c,
                                                                                 .ldc = p.n,
                                                                                 .a = a,
                                                                                 .lda = p.lda(),
                                                                                 .transpose_a = p.transpose_a,
                                                                                 .b = b,
                                                                                 .ldb = p.ldb(),
                                                                                 .transpose_b = p.transpose_b,
                                                                                 .m = p.m,
                                                                                 .n = p.n,
                                                                                 .k = p.k});
          }};
}

Contender peer_of(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  CHECK(library != nullptr, "cannot open ", path, ": ", dlerror());
  const std::string name = path.substr(path.rfind('/') + 1);
  using Blas = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float* a,
                        int lda, const float* b, int ldb, float beta, float* c, int ldc);
  if (auto* sgemm = reinterpret_cast<Blas>(dlsym(library, "cblas_sgemm"))) {
    constexpr int kRowMajor = 101, kAsItIs = 111, kTransposed = 112;
    return {name, [sgemm](const Product& p, const float* a, const float* b, float* c) {
              sgemm(kRowMajor, p.transpose_a ? kTransposed : kAsItIs, p.transpose_b ? kTransposed : kAsItIs,
                    static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k), 1, a,
                    static_cast<int>(p.lda()), b, static_cast<int>(p.ldb()), 0, c, static_cast<int>(p.n));
            }};
  }
  using Dnnl = int (*)(char transpose_a, char transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
                       const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c,
                       std::int64_t ldc);
  auto* sgemm = reinterpret_cast<Dnnl>(dlsym(library, "dnnl_sgemm"));
  CHECK(sgemm != nullptr, path, " has neither cblas_sgemm nor dnnl_sgemm");
  return {name, [sgemm](const Product& p, const float* a, const float* b, float* c) {
            const int status = sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.m, p.n, p.k, 1, a, p.lda(),
                                     b, p.ldb(), 0, c, p.n);
            CHECK(status == 0, "dnnl_sgemm returns ", status);
          }};
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::vector<float> uniform(std::int64_t n) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> out(static_cast<std::size_t>(n));
  for (float& x : out) x = distribution(engine);
  return out;
}

struct Options {
  std::vector<std::string> peers;
  std::string model;
  int threads = 0, rounds = 5, milliseconds = 40;
  bool bfloat16 = false;
};

// Between contenders with several threads: those of some libraries wait busily for a while after their last product, on
// a core that the next contender needs.
constexpr std::chrono::milliseconds kRest{60};

// One row of the table: GFLOP/s of every contender; last, the median over rounds of our speed by that of the best peer,
// which is the one with the highest median: the fastest of each round would be the luckiest, not the best.
void time_product(const Options& options, const std::vector<Contender>& contenders, const Product& p,
                  const std::string& label, std::vector<double>& ratios) {
  const std::vector<float> a = uniform(p.m * p.k), b = uniform(p.k * p.n);
  std::vector<float> c(static_cast<std::size_t>(p.m * p.n)), first;
  const double operations = 2.0 * static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  std::vector<std::vector<double>> speeds(contenders.size());
  for (int round = 0; round < options.rounds; ++round)
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const auto once = [&] { contenders[i].run(p, a.data(), b.data(), c.data()); };
      std::ranges::fill(c, std::numeric_limits<float>::quiet_NaN());  // what a contender leaves out is seen
      if (num_threads() > 1) std::this_thread::sleep_for(kRest);
      const double warm = seconds_of(once);
      const int repeats = std::max(1, static_cast<int>(options.milliseconds / 1e3 / warm));
      const double seconds = seconds_of([&] {
        for (int r = 0; r < repeats; ++r) once();
      });
      speeds[i].push_back(operations * repeats / seconds / 1e9);
      if (round > 0) continue;
      if (i == 0) first = c;
      for (std::size_t e = 0; e < c.size(); ++e)
        CHECK(std::abs(c[e] - first[e]) <= (options.bfloat16 ? 3e-2 : 1e-3) * std::sqrt(static_cast<double>(p.k)),
              contenders[i].name, " gives ", c[e], " instead of ", first[e]);
    }
  std::printf("| %s ", label.c_str());
  for (const std::vector<double>& s : speeds) std::printf("| %.0f ", median(s));
  if (contenders.size() > 1) {
    const auto best = std::max_element(speeds.begin() + 1, speeds.end(),
                                       [](const auto& x, const auto& y) { return median(x) < median(y); });
    std::vector<double> row_ratios;
    for (std::size_t round = 0; round < best->size(); ++round) row_ratios.push_back(speeds[0][round] / (*best)[round]);
    ratios.push_back(median(row_ratios));
    std::printf("| %.2f [%.2f-%.2f] ", median(row_ratios), std::ranges::min(row_ratios), std::ranges::max(row_ratios));
  }
  std::printf("|\n");
  std::fflush(stdout);
}

void run(const Options& options) {
  set_num_threads(options.threads > 0 ? options.threads : num_threads());
  std::vector<Contender> contenders{attune_contender(options.bfloat16)};
  for (const std::string& path : options.peers) contenders.push_back(peer_of(path));
  std::printf("GFLOP/s, %s, %d threads, medians of %d rounds\n\n| model | form | rows x in x out ",
              options.bfloat16 ? "attune in bfloat16, peers in float32" : "float32", num_threads(), options.rounds);
  for (const Contender& contender : contenders) std::printf("| %s ", contender.name.c_str());
  std::printf("%s|\n|---|---|---", options.peers.empty() ? "" : "| attune / best ");
  for (std::size_t i = 0; i < contenders.size() + (options.peers.empty() ? 0 : 1); ++i) std::printf("|---");
  std::printf("|\n");
  std::vector<double> ratios;
  for (const Layer& layer : kLayers) {
    if (std::string_view(layer.models).find(options.model) == std::string_view::npos) continue;
    for (const auto& [form, text] :
         {std::pair{Form::kForward, "y = x W^T"}, std::pair{Form::kInputGradient, "dx = dy W"},
          std::pair{Form::kWeightGradient, "dW = dy^T x"}})
      time_product(options, contenders, product_of(layer, form),
                   str_cat(layer.models, " | ", text, " | ", layer.rows, " x ", layer.inputs, " x ", layer.outputs),
                   ratios);
  }
  if (!ratios.empty())
    std::printf("\nattune / best peer: least %.2f, median %.2f\n", std::ranges::min(ratios), median(ratios));
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  CLI::App app("Times the CPU's matrix product next to those of BLAS libraries.", "bench_matmul");
  attune::Options options;
  app.add_option("--peer", options.peers,
                 "A shared library with cblas_sgemm or dnnl_sgemm; may be given several times");
  app.add_option("--model", options.model, "Only the layers of this model");
  app.add_option("--threads", options.threads, "Threads of attune's product (0: all cores)")->capture_default_str();
  app.add_flag("--bfloat16", options.bfloat16, "attune's operands are rounded to bfloat16; peers stay in float32");
  app.add_option("--rounds", options.rounds, "Times that every contender runs")->capture_default_str();
  app.add_option("--milliseconds", options.milliseconds, "Of a contender in a round")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    attune::run(options);
  } catch (const std::exception& error) {
    std::cerr << "bench_matmul: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
