#!/usr/bin/env python3
"""What the compiled kernels do, from their machine code: calls, spills, generic accesses, widths of accesses, and of every hot loop its branches,
copies and barriers. No GPU is needed. docs/kernel-resources.md says what the columns mean.

usage: scripts/compiled_code.py [--check] [--arch 80|90|90a] [--objects FOLDER | kernel source, all by default...]
  --check            compares with scripts/compiled_code_limits.txt: a line for each that is exceeded, and then status 1
  --arch ARCH        the architecture, 80 by default
  --objects FOLDER   reads the objects of a build (with nvcc, for this architecture), *.cu.o, instead of compiling
Needs nvdisasm, and with --objects cuobjdump: of the CUDA toolkit or from scripts/fetch_nvdisasm.sh. Ends with status 77 where they or nvcc are missing.
"""
import argparse
import collections
import fnmatch
import os
import pathlib
import re
import sys
import tempfile

import sass
from cuda_kernels import all_sources, check_architecture, compile_cubin, of_each, plain_names, run, tool

# Routines that code of ours only reaches with numbers that are rare (subnormal, infinite), or in a warp that is not together.
RARE = re.compile(r"__cuda_.*_(slowpath|mediumpath_v1)|__cuda_sm70_(warpsync|shflsync_\w+)")
AT_LEAST = {"wide"}  # the other measures have limits from above


class Loop:
    def __init__(self, code):
        def count(what):
            return sum(map(what, code))
        self.begin = min(at.offset for at in code)
        self.slots = len(code)
        self.tensor_core = count(lambda at: at.tensor_core)
        self.branches = count(lambda at: at.branch)
        self.copies = count(lambda at: at.space == "copy")
        self.barriers = count(lambda at: at.name == "BAR")
        self.mufu = count(lambda at: at.name == "MUFU")

    def branches_per_64(self):
        return 64 * self.branches / self.tensor_core if self.tensor_core else None

    def row(self):
        dense = f" ({self.branches_per_64():.1f} per 64)" if self.tensor_core else ""
        each = f" ({self.slots / self.copies:.1f} slots each)" if self.copies else ""
        counts = ((self.tensor_core, "tensor-core", ""), (self.branches, "branches", dense), (self.copies, "copies", each), (self.barriers, "barriers", ""),
                  (self.mufu, "mufu", ""))
        return ", ".join([f"  loop at {self.begin:#06x}: {self.slots} slots", *(f"{count} {what}{more}" for count, what, more in counts if count)])


class Code:
    """The measures of a kernel."""

    def __init__(self, kernel):
        self.name = kernel.name
        self.instructions = sum(at.name != "NOP" for at in kernel.instructions)
        called = collections.Counter(kernel.calls())
        self.called = {name: times for name, times in called.items() if not RARE.fullmatch(name)}
        self.rare = sum(called.values()) - sum(self.called.values())
        accesses = [at for at in kernel.instructions if at.space]
        self.generic, self.local = (sum(at.space == space for at in accesses) for space in ("generic", "local"))
        self.wide_global = wide([at for at in accesses if at.space in ("global", "copy")])
        self.wide_shared = wide([at for at in accesses if at.space == "shared"])
        # With tensor-core instructions in any loop, the loops that have some; else the innermost ones.
        loops = kernel.loops()
        hot = [loop for loop in loops if any(at.tensor_core for at in loop)]
        self.loops = [Loop(loop) for loop in hot or innermost(loops)]

    def measures(self):
        """Name -> value, of those that the kernel has, and what to say of it."""
        known = {"calls": (sum(self.called.values()), f" ({', '.join(sorted(self.called))})" if self.called else ""),
                 "generic": (self.generic, ""), "local": (self.local, "")}
        if self.wide_global is not None:
            known["wide"] = (round(self.wide_global), "")
        dense = [loop for loop in self.loops if loop.tensor_core]
        if dense:
            worst = max(dense, key=Loop.branches_per_64)
            known["branches"] = (round(worst.branches_per_64(), 1), f" (loop at {worst.begin:#06x})")
            longest = max(dense, key=lambda loop: loop.slots)
            known["slots"] = (longest.slots, f" (loop at {longest.begin:#06x})")
        return known

    def row(self):
        def percent(share):
            return "-" if share is None else f"{share:.0f}%"
        return (f"{self.name:58} {self.instructions:7} {sum(self.called.values()):5} {self.rare:5} {self.generic:7} {self.local:5} "
                f"{percent(self.wide_global):>7} {percent(self.wide_shared):>7}")


HEAD = f"{'':58} {'instr.':>7} calls  rare generic local  global  shared"


def wide(accesses):
    """Per cent of the bytes that move 16 at a time for a thread, or None without accesses."""
    moved = sum(at.bytes for at in accesses)
    return 100 * sum(at.bytes for at in accesses if at.bytes == 16) / moved if moved else None


def innermost(loops):
    sets = [{at.offset for at in loop} for loop in loops]
    return [loop for loop, own in zip(loops, sets) if not any(other < own for other in sets)]


def disassemble(file, arch):
    """The kernels of an object of a build, or of a source that is compiled now."""
    with tempfile.TemporaryDirectory() as folder:
        if file.suffix == ".o":
            run(tool("cuobjdump"), "-xelf", f".sm_{arch}.cubin", str(file), cwd=folder)
        else:
            compile_cubin(file, arch, f"{folder}/kernels.sm_{arch}.cubin")
        cubins = list(pathlib.Path(folder).glob(f"*.sm_{arch}.cubin"))
        if not cubins:
            sys.exit(f"compiled_code: {file} has no code for sm_{arch}")
        try:
            return [kernel for cubin in cubins for kernel in sass.read(run(tool("nvdisasm"), "-c", str(cubin)))]
        except ValueError as error:
            sys.exit(f"compiled_code: {file}: {error}")


def objects_in(folder):
    return sorted(folder.rglob("*.cu.o")) or sys.exit(f"compiled_code: {folder} has no objects of kernels (*.cu.o)")


def read_limits(path):
    """[(pattern, {measure: limit})]; a line is a kernel, two blanks, and pairs of a measure and its limit."""
    rules = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        pattern, *pairs = re.split(r"\s{2,}", line)
        try:
            limits = {measure: float(limit) for measure, limit in map(str.split, pairs)}
        except ValueError:
            limits = {}
        if not limits or not set(limits) <= {"calls", "generic", "local", "wide", "branches", "slots"}:
            sys.exit(f"compiled_code: {path}:{number}: expected KERNEL  MEASURE LIMIT...: {line}")
        rules.append((pattern, limits))
    return rules


def violations(codes, rules):
    """A line for every limit that a kernel exceeds. The last rule that names the kernel and the measure counts."""
    for code in codes:
        limits = {}
        for pattern, given in rules:
            if fnmatch.fnmatchcase(code.name, pattern):
                limits |= given
        for measure, (value, about) in code.measures().items():
            limit = limits.get(measure)
            if limit is not None and (value < limit if measure in AT_LEAST else value > limit):
                yield f"{code.name}: {measure} {value:g}{about}, at {'least' if measure in AT_LEAST else 'most'} {limit:g}"


def unused(codes, rules):
    """A line for every rule that names no kernel: it would limit nothing."""
    names = {code.name for code in codes}
    return [f"{pattern}: no kernel has this name" for pattern, _ in rules if not fnmatch.filter(names, pattern)]


def arguments():
    parser = argparse.ArgumentParser(add_help=False)
    for name in ("--check", "--help", "-h"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--arch", default="80")
    parser.add_argument("--objects", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("sources", nargs="*", type=pathlib.Path)
    return parser.parse_args()


def main():
    args = arguments()
    if args.help or args.h:
        print(__doc__.strip())
        return 0
    os.chdir(pathlib.Path(__file__).resolve().parent.parent)
    check_architecture(args.arch)
    for needed in ("nvdisasm", "cuobjdump" if args.objects else "nvcc"):
        if tool(needed) is None:
            print(f"SKIPPED: {needed} is not installed (scripts/fetch_nvdisasm.sh fetches what the CUDA toolkit lacks)")
            return 77
    files = objects_in(args.objects) if args.objects else args.sources or all_sources()
    rules = read_limits(pathlib.Path("scripts/compiled_code_limits.txt"))
    kernels = [kernel for found in of_each(lambda file: disassemble(file, args.arch), files) for kernel in found]
    names = plain_names(kernel.name for kernel in kernels)
    for kernel in kernels:
        kernel.name = names[kernel.name]
    codes = sorted(of_each(Code, kernels), key=lambda code: code.name)
    if not args.check:
        print(HEAD)
        for code in codes:
            print("\n".join([code.row(), *(loop.row() for loop in code.loops)]))
        return 0
    wrong = list(violations(codes, rules))
    if not args.sources:
        wrong += unused(codes, rules)
    for line in wrong:
        print(f"sm_{args.arch}: {line}")
    print(f"{len(codes)} kernels for sm_{args.arch}, {len(wrong)} lines of complaint")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
