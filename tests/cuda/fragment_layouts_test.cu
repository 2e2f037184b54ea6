// Which element of a matrix each lane holds: the simulated tensor core and the helpers of device/tile.cuh against CuTe.
//
// Each simulated instruction runs on distinct values, and its result shows where it took each of them from. All lanes
// and values are compared, for every instruction in nvidia/device.cuh.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "base/check.h"
#include "kernels/cuda/device/tile.cuh"
#include "kernels/cuda/platform.cuh"
#include "tests/cuda/cute_layouts.h"
#include "tests/cuda/device_array.h"
#include "tests/cuda/run_kernel.h"

namespace attune {
namespace {

using testing::cute_layouts;
using testing::CuteLayouts;
using testing::DeviceArray;
using testing::Element;
using testing::FragmentLayout;
using testing::LoadLayout;
using testing::MmaLayout;
using testing::run;

constexpr std::size_t kLanes = 32;

class FragmentLayouts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (layouts_.load.instruction.empty())
      GTEST_SKIP()
          << "built without CUTLASS's headers (scripts/fetch_cute.sh build/cute) or without the CUDA toolkit's";
  }
  const CuteLayouts layouts_ = cute_layouts();
};

Element at(const FragmentLayout& layout, std::size_t slot) {
  const std::size_t values = layout[0].size();
  return layout[slot / values][slot % values];
}
std::size_t slots_of(const FragmentLayout& layout) {
  return kLanes * layout[0].size();
}

// A slot is lane * values of a lane + value.
template <class T>
struct Values {
  static constexpr unsigned kA = 16 / sizeof(T), kB = 8 / sizeof(T), kC = 4;  // of a lane
};

template <class T>
__global__ void multiply_kernel(const T* a, const T* b, const float* c, float* d) {
  const unsigned lane = threadIdx.x, block = blockIdx.x;
  std::uint32_t fa[4], fb[2];
  float fd[4];
  for (unsigned i = 0; i < 4; ++i) {
    fa[i] = device::load_global(reinterpret_cast<const std::uint32_t*>(a) + (block * 32 + lane) * 4 + i);
    fd[i] = device::load_global(c + lane * 4 + i);
  }
  for (unsigned i = 0; i < 2; ++i)
    fb[i] = device::load_global(reinterpret_cast<const std::uint32_t*>(b) + lane * 2 + i);
  if constexpr (sizeof(T) == 2)
    device::mma_bf16(fd, fa, fb);
  else
    device::mma_tf32(fd, fa, fb);
  for (unsigned i = 0; i < 4; ++i) device::store_global(d + (block * 32 + lane) * 4 + i, fd[i]);
}

// What an mma does: product [slot of D][slot of A] is the slot of B that multiplies this slot of A there, from 1, or 0.
// D - C holds it where one slot of A is one, the others are zero, and each slot of B has its number.
template <class T>
std::vector<int> products_of_mma() {
  constexpr std::size_t kA = kLanes * Values<T>::kA, kB = kLanes * Values<T>::kB, kC = kLanes * Values<T>::kC;
  std::vector<T> a(kA * kA, device::from_f<T>(0)), b(kB);
  std::vector<float> c(kC);
  for (std::size_t i = 0; i < kA; ++i) a[i * kA + i] = device::from_f<T>(1);
  for (std::size_t i = 0; i < kB; ++i) b[i] = device::from_f<T>(static_cast<float>(i + 1));
  for (std::size_t i = 0; i < kC; ++i) c[i] = static_cast<float>(1024 * (i + 1));
  DeviceArray<T> da(a), db(b);
  DeviceArray<float> dc(c), dd(kA * kC);
  run(multiply_kernel<T>, {kA}, {kLanes}, 0, da.data(), db.data(), dc.data(), dd.data());
  std::vector<float> d = dd.host();
  std::vector<int> products(kC * kA);
  for (std::size_t i = 0; i < kA; ++i)
    for (std::size_t j = 0; j < kC; ++j) products[j * kA + i] = static_cast<int>(d[i * kC + j] - c[j]);
  return products;
}

// The pairs of a slot of A and a slot of D whose product is not the one that the layout states.
std::size_t differences(const std::vector<int>& products, const MmaLayout& layout) {
  std::size_t count = 0;
  const std::size_t columns = 8;
  std::vector<int> slot_of_b(static_cast<std::size_t>(layout.depth) * columns);
  for (std::size_t i = 0; i < slots_of(layout.b); ++i) {
    const Element element = at(layout.b, i);
    slot_of_b[static_cast<std::size_t>(element.row) * columns + static_cast<std::size_t>(element.column)] =
        static_cast<int>(i + 1);
  }
  const std::size_t size_a = slots_of(layout.a);
  for (std::size_t d = 0; d < slots_of(layout.c); ++d)
    for (std::size_t a = 0; a < size_a; ++a) {
      const Element result = at(layout.c, d), factor = at(layout.a, a);
      const std::size_t b = static_cast<std::size_t>(factor.column) * columns + static_cast<std::size_t>(result.column);
      count += products[d * size_a + a] != (factor.row == result.row ? slot_of_b[b] : 0);
    }
  return count;
}

__global__ void load_kernel(const BFloat16* values, const int* rows, bool transpose, BFloat16* out) {
  auto* shared = reinterpret_cast<BFloat16*>(device::dynamic_shared());
  const unsigned lane = threadIdx.x;
  for (unsigned i = 0; i < 8; ++i)
    device::store_shared(shared + lane * 8 + i, device::load_global(values + lane * 8 + i));
  __syncwarp();
  std::uint32_t r[4];
  const BFloat16* row = shared + device::load_global(rows + lane) * 8;
  if (transpose)
    device::ldmatrix_x4_trans(r, row);
  else
    device::ldmatrix_x4(r, row);
  for (unsigned i = 0; i < 4; ++i) device::store_global(reinterpret_cast<std::uint32_t*>(out) + lane * 4 + i, r[i]);
}

// Rows are given in an order of their own, so that a load that takes no notice of a lane's address differs.
FragmentLayout destination_of_load(bool transpose) {
  std::vector<BFloat16> values(kLanes * 8);
  std::vector<int> rows(kLanes), lane_of_row(kLanes);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = BFloat16{static_cast<std::uint16_t>(i)};
  for (std::size_t i = 0; i < kLanes; ++i) {
    rows[i] = static_cast<int>((5 * i + 3) % kLanes);
    lane_of_row[(5 * i + 3) % kLanes] = static_cast<int>(i);
  }
  DeviceArray<BFloat16> dv(values), out(kLanes * 8);
  DeviceArray<int> dr(rows);
  run(load_kernel, {1}, {kLanes}, 512, dv.data(), dr.data(), transpose, out.data());
  FragmentLayout layout;
  const std::vector<BFloat16> loaded = out.host();
  for (std::size_t i = 0; i < loaded.size(); ++i)
    layout[i / 8].push_back({lane_of_row[loaded[i].bits / 8u], loaded[i].bits % 8});
  return layout;
}

std::size_t differences(const FragmentLayout& found, const FragmentLayout& expected) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < slots_of(expected); ++i) count += at(found, i) != at(expected, i);
  return count;
}

TEST_F(FragmentLayouts, OfSimulatedProducts) {
  EXPECT_EQ(differences(products_of_mma<BFloat16>(), layouts_.bf16), 0u);
  EXPECT_EQ(differences(products_of_mma<float>(), layouts_.tf32), 0u);
}

TEST_F(FragmentLayouts, OfSimulatedLoads) {
  EXPECT_EQ(differences(destination_of_load(false), layouts_.load.destination), 0u);
  EXPECT_EQ(differences(destination_of_load(true), layouts_.load_transposed.destination), 0u);
}

// mma.sync and ldmatrix with their qualifiers, which some write in another order.
std::set<std::string> qualifiers(const std::string& instruction) {
  std::istringstream in(instruction);
  std::set<std::string> out;
  for (std::string part; std::getline(in, part, '.');) out.insert(part);
  return out;
}

TEST_F(FragmentLayouts, EveryInstructionIsCompared) {
  std::ifstream file(ATTUNE_SOURCE "/kernels/cuda/nvidia/device.cuh");
  std::ostringstream text;
  text << file.rdbuf();
  const std::string source = text.str();
  std::set<std::set<std::string>> used;
  for (const char* family : {"\"mma.", "\"wmma.", "\"wgmma.", "\"ldmatrix.", "\"stmatrix.", "\"movmatrix."})
    for (std::size_t i = source.find(family); i != std::string::npos; i = source.find(family, i + 1))
      used.insert(qualifiers(source.substr(i + 1, source.find_first_of(" ;", i) - i - 1)));
  EXPECT_EQ(used, (std::set{qualifiers(layouts_.bf16.instruction), qualifiers(layouts_.tf32.instruction),
                            qualifiers(layouts_.load.instruction), qualifiers(layouts_.load_transposed.instruction)}));
}

// Distinct values for the helpers that move operands.
template <class T>
T numbered(std::size_t number) {
  if constexpr (sizeof(T) == 2)
    return {static_cast<std::uint16_t>(0x3F80 + number)};
  else
    return static_cast<float>(number);
}
template <class T>
int number_of(T value) {
  if constexpr (sizeof(T) == 2)
    return value.bits - 0x3F80;
  else
    return static_cast<int>(value);
}

// The helpers read from row or column kFirst of a tile of kSize by kSize on, so that offsets show.
constexpr int kFirst = 16, kSize = 48;

template <class T, class Operand>
__device__ void store_operand(T*& out, const Operand& operand) {
  const std::size_t count = sizeof operand / sizeof(T);
  for (std::size_t i = 0; i < count; ++i)
    device::store_global(out + threadIdx.x * count + i, reinterpret_cast<const T*>(&operand)[i]);
  out += kLanes * count;
}

template <class T>
__global__ void operands_kernel(const T* values, const float* accumulators, T* out) {
  using F = device::Fragments<T>;
  constexpr int kStride = kSize + device::kRowPad<T>;
  T* tile = reinterpret_cast<T*>(device::dynamic_shared());
  for (int i = static_cast<int>(threadIdx.x); i < kSize * kSize; i += 32)
    device::store_shared(tile + i / kSize * kStride + i % kSize, device::load_global(values + i));
  __syncwarp();
  store_operand(out, F::load_a(tile, kStride, kFirst));
  typename F::B b[2];
  F::load_b_by_column(b, tile, kStride, kFirst, kFirst);
  for (const auto& half : b) store_operand(out, half);
  F::load_b_by_row(b, tile, kStride, kFirst, kFirst);
  for (const auto& half : b) store_operand(out, half);
  constexpr int kAccumulators = kSize / 8;
  float acc[kAccumulators][4];
  for (int n = 0; n < kAccumulators; ++n)
    for (int i = 0; i < 4; ++i)
      acc[n][i] = device::load_global(accumulators + (n * 32 + static_cast<int>(threadIdx.x)) * 4 + i);
  store_operand(out, F::from_accumulators(acc, kFirst / F::kDepth));
  if constexpr (sizeof(T) == 2) store_operand(out, F::load_a_transposed(tile, kStride, kFirst));
  __syncwarp();
  device::store_accumulators<kSize, true, kStride>(out, kSize, 16, kSize, tile, acc);
}

// The terms of a sum may have an order of their own, if accumulators that become A and rows of B have the same one: at k
// stands term order[k].
template <class T>
std::vector<int> order_of_terms(const T* from_accumulators, const MmaLayout& layout) {
  std::vector<int> order(static_cast<std::size_t>(layout.depth));
  for (std::size_t slot = 0; slot < slots_of(layout.a); ++slot)
    order[static_cast<std::size_t>(at(layout.a, slot).column)] = number_of(from_accumulators[slot]) % kSize - kFirst;
  return order;
}

// Reads the operands of operands_kernel, in its order, and lists what is not where CuTe's layouts put it.
template <class T>
std::vector<std::string> differences_of_operands(const MmaLayout& layout) {
  std::vector<T> values;
  for (std::size_t i = 0; i < std::size_t{kSize} * kSize; ++i) values.push_back(numbered<T>(i));
  std::vector<float> accumulators;  // rows 0 .. 15 of the same matrix
  for (int n = 0; n < kSize / 8; ++n)
    for (std::size_t slot = 0; slot < slots_of(layout.c); ++slot) {
      const Element e = at(layout.c, slot);
      const int number = e.row * kSize + 8 * n + e.column;
      accumulators.push_back(device::to_f(values[static_cast<std::size_t>(number)]));
    }
  const std::size_t size_a = slots_of(layout.a), size_b = slots_of(layout.b);
  DeviceArray<T> dv(values), out((sizeof(T) == 2 ? 3 : 2) * size_a + 4 * size_b + std::size_t{16} * kSize);
  DeviceArray<float> da(accumulators);
  run(operands_kernel<T>, {1}, {kLanes}, 16384, dv.data(), da.data(), out.data());

  const std::vector<T> host = out.host();
  std::vector<std::string> wrong;
  auto next = host.begin();
  const auto compare = [&](const char* name, const FragmentLayout& operand, auto&& place) {
    for (std::size_t slot = 0; slot < slots_of(operand); ++slot, ++next) {
      const Element e = at(operand, slot), expected = place(e);
      if (number_of(*next) != expected.row * kSize + expected.column)
        wrong.push_back(str_cat(name, ": (", e.row, ", ", e.column, ") in lane ", slot / operand[0].size()));
    }
  };
  const std::vector<int> order = order_of_terms(host.data() + size_a + 4 * size_b, layout);
  for (int k = 0; k < layout.depth; ++k)
    if (std::count(order.begin(), order.end(), k) != 1) wrong.push_back(str_cat("from_accumulators: term ", k));
  const auto term = [&](int k) { return kFirst + order[static_cast<std::size_t>(k)]; };

  compare("load_a", layout.a, [](Element e) { return Element{e.row, kFirst + e.column}; });
  for (const int half : {0, 8})
    compare("load_b_by_column", layout.b, [&](Element e) { return Element{kFirst + half + e.column, kFirst + e.row}; });
  for (const int half : {0, 8})
    compare("load_b_by_row", layout.b, [&](Element e) { return Element{term(e.row), kFirst + half + e.column}; });
  compare("from_accumulators", layout.a, [&](Element e) { return Element{e.row, term(e.column)}; });
  if constexpr (sizeof(T) == 2)
    compare("load_a_transposed", layout.a, [&](Element e) { return Element{term(e.column), e.row}; });
  for (int i = 0; i < 16 * kSize; ++i, ++next)
    if (number_of(*next) != i) wrong.push_back(str_cat("store_accumulators: (", i / kSize, ", ", i % kSize, ")"));
  return wrong;
}

TEST_F(FragmentLayouts, OfOperandsInTiles) {
  EXPECT_EQ(differences_of_operands<BFloat16>(layouts_.bf16), std::vector<std::string>{});
  EXPECT_EQ(differences_of_operands<float>(layouts_.tf32), std::vector<std::string>{});
}

// The layout with two bits of the slot's number exchanged, for each two of them.
std::vector<FragmentLayout> exchanged_bits(const FragmentLayout& layout) {
  std::vector<FragmentLayout> out;
  for (std::size_t low = 1; low < slots_of(layout); low *= 2)
    for (std::size_t high = 2 * low; high < slots_of(layout); high *= 2) {
      FragmentLayout changed = layout;
      const std::size_t values = layout[0].size();
      for (std::size_t i = 0; i < slots_of(layout); ++i) {
        const bool differ = ((i & low) != 0) != ((i & high) != 0);
        changed[i / values][i % values] = at(layout, differ ? i ^ low ^ high : i);
      }
      out.push_back(changed);
    }
  return out;
}

// The same instruction with a wrong layout of one operand, for each two bits.
std::vector<MmaLayout> wrong_layouts(const MmaLayout& layout) {
  std::vector<MmaLayout> out;
  for (const auto operand : {&MmaLayout::a, &MmaLayout::b, &MmaLayout::c})
    for (const FragmentLayout& wrong : exchanged_bits(layout.*operand)) {
      out.push_back(layout);
      out.back().*operand = wrong;
    }
  return out;
}

template <class T>
void expect_found(const MmaLayout& layout, std::size_t planted) {
  const std::vector<int> products = products_of_mma<T>();
  const std::vector<MmaLayout> wrong = wrong_layouts(layout);
  EXPECT_EQ(wrong.size(), planted);
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    EXPECT_GT(differences(products, wrong[i]), 0u) << "exchange " << i;
    EXPECT_FALSE(differences_of_operands<T>(wrong[i]).empty()) << "exchange " << i;
  }
}

TEST_F(FragmentLayouts, AnExchangedBitIsFound) {
  expect_found<BFloat16>(layouts_.bf16, 28 + 21 + 21);  // A, B and C have 8, 7 and 7 bits
  expect_found<float>(layouts_.tf32, 21 + 15 + 21);     // 7, 6 and 7
  for (const bool transpose : {false, true}) {
    const FragmentLayout found = destination_of_load(transpose);
    const LoadLayout& layout = transpose ? layouts_.load_transposed : layouts_.load;
    for (const FragmentLayout& wrong : exchanged_bits(layout.destination)) EXPECT_GT(differences(found, wrong), 0u);
  }
}

}  // namespace
}  // namespace attune
