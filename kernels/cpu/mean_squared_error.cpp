#include "kernels/mean_squared_error.h"

namespace attune::kernels {

void mean_squared_error_forward(const CpuContext&, const MeanSquaredErrorForward& args) {
  dispatch_float(args.dtype, "mean squared error", [&]<class T>() {
    const T* predictions = static_cast<const T*>(args.predictions);
    T sum = 0;
    for (std::int64_t i = 0; i < args.n; ++i) {
      const T error = predictions[i] - static_cast<T>(args.labels[i]);
      sum += error * error;
    }
    *static_cast<T*>(args.loss) = sum / static_cast<T>(args.n);
  });
}

void mean_squared_error_backward(const CpuContext&, const MeanSquaredErrorBackward& args) {
  if (!args.dpredictions) return;
  dispatch_float(args.dtype, "mean squared error backward", [&]<class T>() {
    const T* predictions = static_cast<const T*>(args.predictions);
    T* dpredictions = static_cast<T*>(args.dpredictions.data);
    const T factor = 2 * *static_cast<const T*>(args.dloss) / static_cast<T>(args.n);
    for (std::int64_t i = 0; i < args.n; ++i) {
      const T gradient = factor * (predictions[i] - static_cast<T>(args.labels[i]));
      dpredictions[i] = args.dpredictions.accumulate() ? dpredictions[i] + gradient : gradient;
    }
  });
}

}  // namespace attune::kernels
