// The exponential moving average a of a value x: a = decay a + (1 - decay) x.
#pragma once

namespace attune::testing::oracle {

inline double moving_average(double average, double value, double decay) {
  return decay * average + (1 - decay) * value;
}

}  // namespace attune::testing::oracle
