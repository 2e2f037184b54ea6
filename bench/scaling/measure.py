#!/usr/bin/env python3
"""Measures the training step of 1 to 4 processes on this machine, over networks of several speeds, and compares it with the model of
bench/scaling/model.py. Needs root (network namespaces), iproute2 and Open MPI. Prints the tables of docs/scaling.md.

usage: bench/scaling/measure.py [--bin DIR] [--minilm DIR] [--rounds N] [--networks NAME,...]
"""

import argparse
import json
import os
import signal
import statistics
import sys

from model import Line, exposed
from network import Network, OneMachine

# By name: latency in seconds and bytes a second; None: the memory of one machine.
NETWORKS = {"one machine": None, "0.1 ms, 10 Gbit/s": (1e-4, 1.25e9), "1 ms, 1 Gbit/s": (1e-3, 1.25e8), "10 ms, 1 Gbit/s": (1e-2, 1.25e8),
            "1 ms, 100 Mbit/s": (1e-3, 1.25e7)}


def fit(by_size, processes):
    """The line of the model that has the measured times of a small and a large sum."""
    small, large = by_size[0], by_size[-1]
    latency = small["ms"] / 2000
    per_byte = (large["ms"] - small["ms"]) / 1000 / (4 * (large["floats"] - small["floats"]))
    return Line(latency, 2 * (processes - 1) / processes / per_byte)


def predict(result):
    """Milliseconds of a step whose sums start after backward, and of one as in training: from the sums measured alone by size, and
    from when each bucket was final."""
    processes = result["processes"]
    line = fit(result["by_size"], processes)
    costs = [1000 * line.exchange(4 * bucket["floats"], processes) for bucket in result["sums"]]
    ready = [bucket["ready_ms"] for bucket in result["sums"]]
    # The last sum is the loss's, after all others.
    costs, last = costs[:-1], costs[-1]
    compute = statistics.median(result["compute_ms"])
    return compute + sum(costs) + last, compute + exposed(ready[:-1], costs) + last


def row(cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="the programs (default: build/release/bin)")
    parser.add_argument("--minilm", help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--rounds", type=int, default=10, help="of each measurement (default: 10)")
    parser.add_argument("--networks", default=",".join(f"'{name}'" for name in NETWORKS), help="of those in this file, in quotes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the namespaces are removed
    networks = {name: NETWORKS[name] for name in (quoted.strip("'") for quoted in options.networks.split("','"))}

    models = {"GPT 2 x 256": ["--batch_size", "24", "--length", "128"]}
    if options.minilm:
        models["MiniLM"] = ["--model_dir", os.path.abspath(options.minilm), "--batch_size", "24", "--length", "128"]
    program = os.path.abspath(f"{options.bin}/bench_shared_step")
    row(["model", "network", "processes", "without exchange", "sums after backward: model, measured", "as in training: model, measured", "hidden",
         "efficiency"])
    row(["---", "---"] + ["--:"] * 6)
    for model, sizes in models.items():
        command = [program, *sizes, "--rounds", str(options.rounds)]
        alone = None
        for name, speeds in networks.items():
            with Network(4, *speeds) if speeds else OneMachine() as network:
                for processes in (1, 2, 3, 4):
                    if processes == 1 and alone is not None:
                        continue
                    result = json.loads(network.mpirun(processes, command))
                    median = {key: statistics.median(result[f"{key}_ms"]) for key in ("compute", "sums_after", "sums_during")}
                    if processes == 1:
                        alone = median["compute"]
                        print(f"{model}: {alone:.0f} ms alone", file=sys.stderr)
                        continue
                    after, during = predict(result)
                    spent, left = median["sums_after"] - median["compute"], median["sums_during"] - median["compute"]
                    row([model, name, processes, f"{median['compute']:.0f}", f"{after:.0f}, {median['sums_after']:.0f}",
                         f"{during:.0f}, {median['sums_during']:.0f}", f"{100 * (1 - left / spent):.0f} %",
                         f"{100 * alone / processes / median['sums_during']:.0f} %"])


if __name__ == "__main__":
    main()
