#!/usr/bin/env python3
"""What every kernel takes of a multiprocessor: registers and bytes spilled as ptxas says, shared memory, threads of a block, and how many of
the 64 warps that leaves. Compiles the kernels: minutes, no GPU needed.

usage: scripts/kernel_resources.py [architecture, 80 by default] [kernel source, all by default]...
"""
import os
import pathlib
import re
import sys
import tempfile

from cuda_kernels import all_sources, check_architecture, compile_cubin, of_each, plain_names, run

# Limits of a multiprocessor, by architecture: KiB of shared memory; a block takes 1 KiB more than it requests. The other limits are the same on
# all of these: 65,536 registers, allocated to warps 256 at a time, 64 warps and 32 blocks ("Compute Capabilities" in the CUDA C++ Programming Guide).
SHARED_KIB = {"80": 164, "90": 228, "90a": 228}
REGISTERS, WARPS, BLOCKS = 65536, 64, 32

# Dynamic shared memory is requested at launch. Attention's size follows from its tiles, which the compiler reports. Layer norm's
# is what it stages of each row, for the eight warps of a block; here the most for 768 channels: forward with a residual, a weight and a bias, backward
# with a stream and a gradient of the sum.
ATTENTION = r"""
#include <cstdio>
#include "kernels/cuda/attention_backward.cuh"
template <class T, int D> void say(const char* type) {
  using Traits = attune::device::AttentionTraits<T, D>;
  std::printf("attention_forward_kernel<%s, %d %zu\n", type, D, Traits::kForwardBytes);
  for (const char* kernel : {"attention_dq_kernel", "attention_dk_dv_kernel"}) std::printf("%s<%s, %d %zu\n", kernel, type, D, Traits::kBackwardBytes);
}
template <int D, int W> void say_short() { std::printf("attention_backward_kernel<%d, %d %zu\n", D, W, attune::device::ShortBackwardTraits<D, W>::kBytes); }
template <class T> void say_all(const char* type) { say<T, 32>(type), say<T, 64>(type), say<T, 128>(type); }
int main() { say_all<float>("float"), say_all<attune::BFloat16>("BFloat16"), say_short<32, 2>(), say_short<32, 4>(), say_short<32, 8>(), say_short<64, 2>(), say_short<64, 4>(), say_short<64, 8>(); }
"""
LAYERNORM = {f"layernorm_{direction}_kernel<{name}": 768 * (8 * (floats * 4 + size) + shared * 4)
             for direction, floats, shared in (("forward", 1, 2), ("backward", 3, 0)) for name, size in (("float", 4), ("BFloat16", 2))}


def dynamic_shared():
    with tempfile.TemporaryDirectory() as folder:
        run("g++", "-std=c++20", "-O1", "-Wno-unknown-pragmas", "-I.", "-x", "c++", "-", "-o", f"{folder}/say", input=ATTENTION)
        return LAYERNORM | {name: int(size) for name, size in (line.rsplit(" ", 1) for line in run(f"{folder}/say").splitlines())}


def compile_source(source, arch):
    """(mangled name, registers, bytes spilled, static shared memory, threads of a block) of every kernel of the source."""
    with tempfile.TemporaryDirectory() as folder:
        said = compile_cubin(source, arch, f"{folder}/out.cubin", "-Xptxas", "-v", "--keep", "--keep-dir", folder)
        ptx = "".join(path.read_text() for path in pathlib.Path(folder).glob("*.ptx"))
    threads = {name: int(size) for name, size in re.findall(r"\.entry (\w+)\(.*?\.maxntid (\d+)", ptx, re.S)}
    for name, part in re.findall(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry function|\Z)", said, re.S):
        shared = re.search(r"(\d+) bytes smem", part)
        yield (name, int(re.search(r"Used (\d+) registers", part)[1]), int(re.search(r"(\d+) bytes spill stores", part)[1]),
               int(shared[1]) if shared else 0, threads[name])


def warps_of(registers, shared, threads, arch):
    """Warps of a multiprocessor, and what keeps there from being more."""
    warps = -(-threads // 32)
    blocks = {"registers": REGISTERS // (-(-registers * 32 // 256) * 256) // warps,
              "shared": SHARED_KIB[arch] * 1024 // (shared + 1024),
              "warps": min(BLOCKS, WARPS // warps)}
    least = min(blocks, key=lambda what: (blocks[what], what != "warps"))
    return blocks[least] * warps, "" if least == "warps" else least


def main(arch="80", *sources):
    check_architecture(arch)
    dynamic = dynamic_shared()
    kernels = [kernel for found in of_each(lambda source: list(compile_source(source, arch)), sources or all_sources()) for kernel in found]
    names = plain_names(mangled for mangled, *_ in kernels)
    print(f"{'':58} registers spilled  static dynamic threads  warps")
    for name, registers, spilled, static, threads in sorted((names[mangled], *rest) for mangled, *rest in kernels):
        asked = next((size for start, size in dynamic.items() if re.match(re.escape(start) + r"\b", name)), 0)
        warps, limit = warps_of(registers, static + asked, threads, arch)
        print(f"{name:58} {registers:9} {spilled:7} {static:7} {asked:7} {threads:7} {warps:6} {limit}".rstrip())


if __name__ == "__main__":
    if {"--help", "-h"} & set(sys.argv):
        print(__doc__.strip())
    else:
        os.chdir(pathlib.Path(__file__).resolve().parent.parent)
        main(*sys.argv[1:])
