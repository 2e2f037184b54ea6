// SHA-256, as the golden files give it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace attune::testing {

/// Collects bytes; hex() is the lower-case digest of all of them.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(const void* bytes, std::size_t size);
  void add(std::string_view bytes) { add(bytes.data(), bytes.size()); }
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::testing
