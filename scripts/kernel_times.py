#!/usr/bin/env python3
"""Where the time of a captured training step goes on a GPU: kernels, how often, how long, from the trace that bench/kernel_trace.cpp wrote.

usage: kernel_times.py [--steps N] TRACE
  --steps N   the last N whole steps (10); a step ends with the AdamW kernel

Prints a table: kernels of a step, their microseconds in all and each, and the time between the end of what ran before and their start (below 0
where they run next to each other). Products are cuBLASLt's kernels, which have names of their own.
"""
import argparse
import collections
import pathlib
import re
import statistics
import sys

LAST_KERNEL = "adamw"


def plain(name):
    """attune's kernels without their namespaces and types; a product; or the name as it is."""
    if own := re.search(r"attune::.*?(\w+)_kernel\b", name):
        return own[1]
    if re.search(r"splitK.*reduce", name):
        return "product, sum of parts"
    return "product" if re.search(r"nvjet|gemm|cutlass|xmma", name) else name


def read(path):
    """(start, end, kernel) of every line, by start."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split(maxsplit=4)
        if len(words) != 5 or not (words[0].isdigit() and words[1].isdigit()):
            sys.exit(f"kernel_times: {path}:{number}: not a line of a trace")
        rows.append((int(words[0]), int(words[1]), plain(words[4])))
    return sorted(rows)


def steps_of(rows, count):
    """The last `count` steps: runs of rows, each with the row before it."""
    ends = [i for i, row in enumerate(rows) if row[2] == LAST_KERNEL]
    return [rows[begin : end + 1] for begin, end in zip(ends, ends[1:])][-count:]


def table(steps):
    total, number, gap = collections.Counter(), collections.Counter(), collections.Counter()
    for step in steps:
        for before, (start, end, kernel) in zip(step, step[1:]):
            total[kernel] += (end - start) / 1e3
            gap[kernel] += (start - before[1]) / 1e3
            number[kernel] += 1
    yield "| kernel | in a step | us in all | us each | us before each |"
    yield "|---|--:|--:|--:|--:|"
    for kernel, us in total.most_common():
        yield f"| {kernel} | {number[kernel] / len(steps):g} | {us / len(steps):.1f} | {us / number[kernel]:.2f} | {gap[kernel] / number[kernel]:.2f} |"
    all_us = sum(total.values()) / len(steps)
    step_us = statistics.median((step[-1][1] - step[0][1]) / 1e3 for step in steps)
    yield f"| all | {sum(number.values()) / len(steps):g} | {all_us:.1f} | | {step_us - all_us:.1f} in all |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("trace", type=pathlib.Path)
    args = parser.parse_args()
    try:
        steps = steps_of(read(args.trace), args.steps)
    except OSError as error:
        sys.exit(f"kernel_times: {args.trace}: {error.strerror}")
    if not steps:
        sys.exit(f"kernel_times: {args.trace}: no whole step, from one {LAST_KERNEL} kernel to the next")
    print("\n".join(table(steps)))


if __name__ == "__main__":
    main()
