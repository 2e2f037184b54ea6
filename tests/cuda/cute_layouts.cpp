#include "tests/cuda/cute_layouts.h"

#ifdef ATTUNE_CUTE_HEADERS
#include <cute/atom/copy_traits_sm75.hpp>
#include <cute/atom/mma_traits_sm80.hpp>
#include <fstream>
#include <sstream>
#include <stdexcept>
#endif

namespace attune::testing {

#ifdef ATTUNE_CUTE_HEADERS
namespace {

// The instruction in the body of a struct of CuTe: the first string literal of its asm statement, without operands.
std::string instruction_of(const std::string& header, const std::string& operation) {
  std::ifstream file(ATTUNE_CUTE_HEADERS "/cute/arch/" + header);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  std::size_t at = all.find("struct " + operation + "\n");
  if (at != std::string::npos) at = all.find("asm volatile", at);
  if (at != std::string::npos) at = all.find('"', at);
  if (at == std::string::npos) throw std::runtime_error(header + " has no asm statement of " + operation);
  return all.substr(at + 1, all.find_first_of(" \"", at + 1) - at - 1);
}

// CuTe numbers the elements of a matrix by column: index = row + rows * column.
template <class Layout>
FragmentLayout by_column(Layout layout, int rows) {
  FragmentLayout out;
  for (int lane = 0; lane < 32; ++lane)
    for (int value = 0; value < cute::size<1>(layout); ++value) {
      const int index = layout(lane, value);
      out[static_cast<std::size_t>(lane)].push_back({index % rows, index / rows});
    }
  return out;
}

FragmentLayout transposed(FragmentLayout layout) {
  for (auto& lane : layout)
    for (Element& element : lane) std::swap(element.row, element.column);
  return layout;
}

template <class Operation>
MmaLayout mma_layout(const std::string& name) {
  using Traits = cute::MMA_Traits<Operation>;
  constexpr int kM = cute::get<0>(typename Traits::Shape_MNK{}), kN = cute::get<1>(typename Traits::Shape_MNK{}),
                kK = cute::get<2>(typename Traits::Shape_MNK{});
  static_assert(kM == 16 && kN == 8 && cute::size(typename Traits::ThrID{}) == 32);
  return {instruction_of("mma_sm80.hpp", name), kK, by_column(typename Traits::ALayout{}, kM),
          transposed(by_column(typename Traits::BLayout{}, kN)),  // CuTe's B is [N, K]
          by_column(typename Traits::CLayout{}, kM)};
}

// The layouts of a copy number the bits that are moved. The bits of one value must stay together.
template <class Operation>
LoadLayout load_layout(const std::string& name) {
  using Traits = cute::Copy_Traits<Operation>;
  constexpr int kBits = 16;
  const typename Traits::SrcLayout source{};
  const typename Traits::DstLayout destination{};
  std::vector<Element> source_of(static_cast<std::size_t>(cute::size(source)));  // of each bit: lane, bit of that lane
  for (int lane = 0; lane < 32; ++lane)
    for (int bit = 0; bit < cute::size<1>(source); ++bit)
      source_of[static_cast<std::size_t>(source(lane, bit))] = {lane, bit};
  LoadLayout out{instruction_of("copy_sm75.hpp", name), {}};
  for (int lane = 0; lane < 32; ++lane)
    for (int bit = 0; bit < cute::size<1>(destination); ++bit) {
      const Element from = source_of[static_cast<std::size_t>(destination(lane, bit))];
      const Element value{from.row, from.column / kBits};
      auto& values = out.destination[static_cast<std::size_t>(lane)];
      if (bit % kBits == 0) values.push_back(value);
      if (from.column % kBits != bit % kBits || values.back() != value)
        throw std::runtime_error(name + " divides a value");
    }
  return out;
}

}  // namespace

CuteLayouts cute_layouts() {
  return {mma_layout<cute::SM80_16x8x16_F32BF16BF16F32_TN>("SM80_16x8x16_F32BF16BF16F32_TN"),
          mma_layout<cute::SM80_16x8x8_F32TF32TF32F32_TN>("SM80_16x8x8_F32TF32TF32F32_TN"),
          load_layout<cute::SM75_U32x4_LDSM_N>("SM75_U32x4_LDSM_N"),
          load_layout<cute::SM75_U16x8_LDSM_T>("SM75_U16x8_LDSM_T")};
}
#else
CuteLayouts cute_layouts() {
  return {};
}
#endif

}  // namespace attune::testing
