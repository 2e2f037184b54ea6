// Prints the weights after each of device_runs(), a run in a line, in hexadecimal digits: of the device that it is
// linked with.
#include <cstdio>

#include "tests/engine/train/device_run.h"

int main() {
  for (const auto& how : attune::testing::device_runs()) {
    for (const double value : attune::testing::device_run(how)) std::printf("%a ", value);
    std::printf("\n");
  }
}
