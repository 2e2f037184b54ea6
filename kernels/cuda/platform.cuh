// What .cu files are written in: CUDA C++ as nvcc knows it, or the simulator's rendering of it. The one place that asks
// which compiler reads the file.
#pragma once

#ifdef __CUDACC__
#include "kernels/cuda/nvidia/device.cuh"
#include "kernels/cuda/nvidia/launch.cuh"
#else
#include "kernels/cuda/simulated/device.h"
#include "kernels/cuda/simulated/launch.h"
#endif
