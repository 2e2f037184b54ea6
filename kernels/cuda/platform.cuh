// The language of .cu files: CUDA C++ from nvcc, or the simulator's version of it. Only this file checks which compiler
// is used.
#pragma once

#ifdef __CUDACC__
#include "kernels/cuda/nvidia/device.cuh"
#include "kernels/cuda/nvidia/launch.cuh"
#else
#include "kernels/cuda/simulated/device.h"
#include "kernels/cuda/simulated/launch.h"
#endif
