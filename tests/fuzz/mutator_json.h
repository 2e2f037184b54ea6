// The JSON values that mutators change. Their memory comes from a pool, not from AddressSanitizer's allocator, which
// would cost more than the change.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace attune::fuzz {

/// Blocks of 2^4 to 2^15 bytes; those that were given back are given out again. For one thread.
class Pool {
 public:
  void* take(std::size_t size) {
    const std::size_t kind = kind_of(size);
    if (kind >= free_.size()) return ::operator new(size);
    Block*& first = free_[kind];
    if (first == nullptr) return cut(std::size_t{1} << kind);
    Block* const taken = first;
    first = taken->next;
    return taken;
  }
  void give_back(void* at, std::size_t size) {
    const std::size_t kind = kind_of(size);
    if (kind >= free_.size()) return ::operator delete(at);
    free_[kind] = new (at) Block{free_[kind]};
  }

  static Pool& instance() {
    static Pool& pool = *new Pool;  // never destroyed: values may be
    return pool;
  }

 private:
  struct Block {
    Block* next;
  };
  static constexpr std::size_t kChunk = std::size_t{1} << 18;

  static std::size_t kind_of(std::size_t size) {
    return static_cast<std::size_t>(std::bit_width((size < 16 ? 16 : size) - 1));
  }
  void* cut(std::size_t size) {
    if (left_ < size) {
      chunks_.push_back(static_cast<std::byte*>(::operator new(kChunk)));
      left_ = kChunk;
    }
    left_ -= size;
    return chunks_.back() + left_;
  }

  std::array<Block*, 16> free_{};
  std::vector<std::byte*> chunks_;
  std::size_t left_ = 0;  // of the last chunk
};

template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  explicit(false) PoolAllocator(const PoolAllocator<U>& /*other*/) {}
  T* allocate(std::size_t count) { return static_cast<T*>(Pool::instance().take(count * sizeof(T))); }
  void deallocate(T* at, std::size_t count) { Pool::instance().give_back(at, count * sizeof(T)); }
  friend bool operator==(const PoolAllocator&, const PoolAllocator&) { return true; }
};

/// Members stay in their order.
using Json = nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool, std::int64_t, std::uint64_t,
                                  double, PoolAllocator>;

}  // namespace attune::fuzz
