#!/usr/bin/env bash
# What ptxas gives each kernel: registers, bytes spilled, static shared memory, and how many of a multiprocessor's 64 warps the
# registers allow. Dynamic shared memory is named in each kernel's banner. Compiles the kernels: minutes, no GPU needed.
#
# usage: scripts/kernel_resources.sh [architecture, 80 by default] [kernel source, all by default]...
set -euo pipefail
cd "$(dirname "$0")/.."
arch=${1:-80}
shift || true
sources=("$@")
[ ${#sources[@]} -gt 0 ] || sources=(kernels/cuda/*.cu)

for source in "${sources[@]}"; do
  nvcc -std=c++20 --expt-relaxed-constexpr -O3 -I. -gencode "arch=compute_$arch,code=sm_$arch" -Xptxas -v -cubin -o /dev/null "$source" 2>&1
done | c++filt | awk '
  match($0, /Compiling entry function/) {
    name = $0; sub(/.*function ./, "", name); sub(/. for .sm.*/, "", name)
    sub(/^void /, "", name); gsub(/attune::|\(anonymous namespace\)::|\(attune::Activation\)/, "", name); sub(/\(.*/, "", name)
  }
  /bytes spill stores/ { spilled = $0; sub(/.*frame, /, "", spilled); sub(/ .*/, "", spilled) }
  /Used [0-9]+ registers/ {
    registers = $0; sub(/.*Used /, "", registers); sub(/ .*/, "", registers)
    shared = 0
    if (match($0, /[0-9]+ bytes smem/)) { shared = substr($0, RSTART, RLENGTH); sub(/ .*/, "", shared) }
    warps = int(65536 / (int((registers + 7) / 8) * 8 * 32))
    printf "%-64s %4d registers %5d spilled %6d shared %3d warps\n", name, registers, spilled, shared, (warps > 64 ? 64 : warps)
  }' | sort
