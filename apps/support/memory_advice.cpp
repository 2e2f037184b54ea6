#include "apps/support/memory_advice.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "apps/support/processes.h"
#include "engine/tensor/context.h"
#include "engine/train/trainer.h"

namespace attune {

std::string memory_size_text(std::size_t bytes) {
  constexpr double kMiB = 1 << 20;
  const double mib = static_cast<double>(bytes) / kMiB;
  std::array<char, 40> text{};
  if (mib < 1024)
    std::snprintf(text.data(), text.size(), "%.1f MiB", mib);
  else
    std::snprintf(text.data(), text.size(), "%.2f GiB", mib / 1024);
  return text.data();
}

std::string memory_in_use_text(Device device) {
  if (device == Device::kCuda) {
    const DeviceMemory memory = cuda_memory();
    return memory_size_text(memory.in_use + memory.others) + " of " + memory_size_text(memory.total);
  }
  std::size_t all = 0, resident = 0;  // pages
  std::ifstream("/proc/self/statm") >> all >> resident;
  return memory_size_text(resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
}

void print_share_of_state(const Trainer& trainer) {
  std::size_t all = 0, largest = 0;
  for (const std::string& bytes : processes().gather(std::to_string(trainer.state_bytes()))) {
    all += std::stoull(bytes);
    largest = std::max<std::size_t>(largest, std::stoull(bytes));
  }
  std::cout << "Optimizer state: at most " << memory_size_text(largest) << " of " << memory_size_text(all)
            << " in each process" << std::endl;
}

std::string memory_advice(const std::vector<std::string>& ways) {
  std::string out;
  for (std::size_t i = 0; i < ways.size(); ++i)
    out += (i == 0 ? "; less is needed with " : i + 1 < ways.size() ? ", " : " or ") + ways[i];
  return out;
}

}  // namespace attune
