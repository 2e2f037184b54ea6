#include "engine/comm/communicator.h"

#include <algorithm>

namespace attune {
namespace {

class SingleProcess : public Communicator {
 public:
  int rank() const override { return 0; }
  int world() const override { return 1; }
  Ticket start_sum(std::span<float> /*values*/, std::shared_ptr<const void> /*owner*/) override { return 0; }
  Ticket start_sum_of_parts(std::span<float> /*values*/, std::shared_ptr<const void> /*owner*/) override { return 0; }
  Ticket start_share(std::span<std::byte> /*bytes*/, std::shared_ptr<const void> /*owner*/) override { return 0; }
  void wait(Ticket /*exchange*/) override {}
  std::vector<std::string> gather(std::string_view bytes) override { return {std::string(bytes)}; }
};

}  // namespace

bool Communicator::any(bool mine) {
  if (alone()) return mine;
  const std::vector<std::string> all = gather(mine ? "1" : "0");
  return std::ranges::find(all, "1") != all.end();
}

Communicator& single_process() {
  static SingleProcess process;
  return process;
}

}  // namespace attune
