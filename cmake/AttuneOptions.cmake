# Options and flags that hold for every target.
option(ATTUNE_BUILD_TESTS "Build the tests (needs GoogleTest)" ON)
option(ATTUNE_BUILD_BENCH "Build the benchmarks (needs Google Benchmark)" ON)
option(ATTUNE_FUZZ "Build the fuzz targets of tests/fuzz (needs Clang; see the preset fuzz)" OFF)
option(ATTUNE_UNITY "Compile the files of a library or a test program in groups: less time for a whole build, more after each change" OFF)
option(ATTUNE_WERROR "Treat warnings as errors" ON)
set(ATTUNE_CUDA simulated CACHE STRING "What runs CUDA kernels: simulated (on the CPU, for tests), nvidia, or none (programs for the CPU alone)")
set_property(CACHE ATTUNE_CUDA PROPERTY STRINGS simulated nvidia none)
if(NOT ATTUNE_CUDA MATCHES "^(simulated|nvidia|none)$")
  message(FATAL_ERROR "ATTUNE_CUDA is '${ATTUNE_CUDA}': it must be simulated, nvidia or none")
endif()
if(ATTUNE_CUDA STREQUAL none AND (ATTUNE_BUILD_TESTS OR ATTUNE_BUILD_BENCH))
  message(FATAL_ERROR "ATTUNE_CUDA is none: tests and benchmarks call CUDA kernels; add -D ATTUNE_BUILD_TESTS=OFF -D ATTUNE_BUILD_BENCH=OFF")
endif()
option(ATTUNE_CUDNN "With ATTUNE_CUDA=nvidia: build attention by cuDNN 9 as a second implementation" OFF)
if(ATTUNE_CUDA STREQUAL nvidia)
  set(ATTUNE_CUDA_TEST_LABEL gpu)  # of tests that run on either
else()
  set(ATTUNE_CUDA_TEST_LABEL simulated)
endif()
set(ATTUNE_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize= takes them (e.g. address,undefined)")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# -ffp-contract=off: a*b+c has two roundings everywhere except in kernels/cpu, which enables fused multiply-adds.
# -fopenmp-simd: `#pragma omp simd` marks reductions that may be reordered; no OpenMP runtime is used.
# -Wno-restrict: g++ 12 sees overlapping copies in operator+ of std::string that are not there (GCC bug 105651).
add_library(attune_flags INTERFACE)
target_compile_options(attune_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wpedantic
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<CXX_COMPILER_ID:Clang>:-Wno-pass-failed> -ffp-contract=off -fopenmp-simd -fno-math-errno>)
# A program loads the shared libraries that it calls, and not all that its rooms name.
target_link_options(attune_flags INTERFACE -Wl,--as-needed)
# nvcc; relaxed constexpr: std::array and std::bit_cast on the device.
target_compile_options(attune_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra>)
if(ATTUNE_WERROR)
  target_compile_options(attune_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror> $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
endif()
if(ATTUNE_SANITIZE)
  target_compile_options(attune_flags INTERFACE -fsanitize=${ATTUNE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(attune_flags INTERFACE -fsanitize=${ATTUNE_SANITIZE})
  target_compile_definitions(attune_flags INTERFACE ATTUNE_SANITIZED)  # engine/tensor/storage.h
  if(ATTUNE_SANITIZE MATCHES address)
    target_compile_definitions(attune_flags INTERFACE ATTUNE_ADDRESS_SANITIZED)  # kernels/cuda/simulated/fiber.cpp tells it of its stacks
  endif()
endif()
