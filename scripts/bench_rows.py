#!/usr/bin/env python3
"""Times a training step of the recipe's models, attune's next to PyTorch's in every configuration asked for; prints a Markdown table.

First every model is written with random weights (bench_train_step --save), and every peer (bench/pytorch/train_step.py) compiles, all at
the same time. Then each is timed alone, in turn: ours, and after it the peers of the same model and precision, which wait until then. A run
that fails or exceeds its time is a line of the table's notes and stops no other. Models with dropout are run once more without it, a few
steps, so that losses can be compared. OUTPUT gets the line of each run, as NAME.json, its messages, as NAME.log, and the table, table.md.

usage: bench_rows.py --bin FOLDER [options] OUTPUT
Exits with 1 if a run of attune failed.
"""

import argparse
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

ROWS = "gpt2,bert,distilbert,roberta-large,modernbert-base,modernbert-large"
CONFIGURATIONS = {"cuda": "bf16:compile-cudagraphs:sdpa,bf16:eager:sdpa", "cpu": "fp32:eager:sdpa,bf16:eager:sdpa"}
PEER = pathlib.Path(__file__).resolve().parent.parent / "bench" / "pytorch" / "train_step.py"
CHECK_STEPS = 10  # of the runs without dropout


# ---- the table, from the lines of the runs

def our_precision(precision):
    """The precision of attune that a peer's is compared with."""
    return "bf16" if precision == "bf16-weights" else precision


def configuration(run):
    parts = [run.get("variant"), run.get("attention")]
    if run.get("precision") == "bf16-weights":
        parts.append("bf16 weights")
    return ", ".join(part for part in parts if part and part != "own")


def apart(ours, peer, key):
    return f"{abs(ours[key] - peer[key]):.1e}" if key in ours and key in peer else ""


def row_of(ours, peers, checks):
    """A row: ours, the fastest peer, and how far losses are apart in the runs that can be compared: those without dropout."""
    row = [ours["model"], ours["precision"], f"{ours['median_ms']:.2f} [{ours['min_ms']:.2f}-{ours['max_ms']:.2f}]"]
    if not peers:
        return row + ["", "", "", f"{ours['peak_bytes'] / 2**30:.2f}", "", ""]
    best = min(peers, key=lambda run: run["median_ms"])
    left, right = (ours, best) if not ours.get("dropout") else checks
    return row + [f"{best['median_ms']:.2f} [{best['min_ms']:.2f}-{best['max_ms']:.2f}]", configuration(best),
                  f"{best['median_ms'] / ours['median_ms']:.2f}", f"{ours['peak_bytes'] / 2**30:.2f} / {best['peak_bytes'] / 2**30:.2f}",
                  apart(left, right, "first_loss"), apart(left, right, "last_loss")]


def table_of(runs):
    """The Markdown table of the lines of all runs; empty if attune has none."""
    timed = [run for run in runs if "median_ms" in run and "peak_bytes" in run]
    def named(model, precision, system):
        return [run for run in timed if run["model"] == model and our_precision(run["precision"]) == precision and run["system"] == system]
    rows = []
    for ours in timed:
        if ours["system"] != "attune" or ours["attention"] != "own" or ours["model"].endswith("no dropout"):
            continue
        checks = [next(iter(named(f"{ours['model']}, no dropout", ours["precision"], system)), {}) for system in ("attune", "pytorch")]
        rows.append(row_of(ours, named(ours["model"], ours["precision"], "pytorch"), checks))
    if not rows:
        return ""
    head = ["model", "precision", "attune ms [min-max]", "best PyTorch ms [min-max]", "its configuration", "its time over attune's",
            "peak GiB, attune / PyTorch", "first losses apart", "last losses apart"]
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, *rows]]
    return "\n".join([lines[0], "|---|---" + "|--:" * 2 + "|---" + "|--:" * 4 + "|", *lines[1:]]) + "\n"


# ---- the runs

class Run:
    """A program with its line of JSON. A peer that was started waits, compiled, until it is told to go on."""

    def __init__(self, name, command, about):
        self.name, self.command, self.about = name, [str(part) for part in command], about
        self.process, self.result, self.printed = None, None, b""

    def start(self, output, environment):
        with open(output / f"{self.name}.log", "w") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment,
                                            start_new_session=True)

    def line(self, limit):
        """The next object that it prints, or one that says why there is none; other lines are skipped."""
        limit = max(limit, 0)
        end = time.monotonic() + limit
        while True:
            text, newline, rest = self.printed.partition(b"\n")
            if newline:
                self.printed = rest
                with contextlib.suppress(ValueError):
                    value = json.loads(text)
                    if isinstance(value, dict):
                        return value
            elif not select.select([self.process.stdout], [], [], max(end - time.monotonic(), 0))[0]:
                return {"error": f"no result after {limit:.0f} s"}
            else:
                more = os.read(self.process.stdout.fileno(), 1 << 16)
                if not more:
                    return {"error": f"ended with {self.process.wait()}"}
                self.printed += more

    def wait_ready(self, limit):
        answer = self.line(limit)
        if not answer.get("ready"):
            self.result = answer
            self.end()  # nothing else runs while others are timed

    def go_on(self, limit):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()
        self.result = self.line(limit)

    def end(self):
        """Ends the program with the compilers that it started."""
        if self.process is None or self.process.stdout.closed:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()

    def save(self, output):
        """NAME.json; an error names the last line of the messages too."""
        log = (output / f"{self.name}.log")
        messages = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        if "error" in self.result and self.result["error"].startswith("ended with") and messages:
            self.result["error"] += f": {messages[-1][:200]}"
        self.result = {**self.about, **self.result}
        (output / f"{self.name}.json").write_text(json.dumps(self.result) + "\n")


class Bench:
    def __init__(self, options):
        self.options, self.output = options, pathlib.Path(options.output).resolve()
        self.deadline = time.monotonic() + options.budget
        self.program = pathlib.Path(options.bin).resolve() / "bench_train_step"
        self.environment = {**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": str(max(2, (os.cpu_count() or 2) // 8))}
        self.size = ["--device", options.device, "--warmup", options.warmup]

    def left(self, limit):
        return min(limit, self.deadline - time.monotonic())

    def folder(self, row):
        return self.output / "start" / pathlib.Path(row).name

    def batch(self):
        return ["--batch_size", self.options.batch_size, "--length", self.options.length, "--lengths", self.options.lengths]

    def write_models(self):
        """Rows whose model is written; the others' errors are printed."""
        started = []
        for row in self.options.rows.split(","):
            source = ["--model_dir", row] if "/" in row else ["--model", row]
            command = [self.program, *source, *self.batch(), "--threads", "1", "--steps", "0", "--save", self.folder(row)]
            run = Run(f"{pathlib.Path(row).name}-start", command, {"system": "attune", "model": row})
            run.start(self.output, self.environment)
            started.append((row, run))
        done = []
        for row, run in started:
            try:
                code = run.process.wait(max(self.left(2 * self.options.limit), 0))
                run.result = {"error": f"ended with {code}"} if code else None
            except subprocess.TimeoutExpired:
                run.result = {"error": "no time left"}
            run.end()
            if run.result is None:
                done.append(row)
            else:
                run.save(self.output)
        return done

    def has_dropout(self, row):
        config = json.loads((self.folder(row) / "config.json").read_text())
        return any("drop" in name and isinstance(value, float) and value > 0 for name, value in config.items())

    def ours(self, row, precision, attention="own", check=False):
        name = f"{pathlib.Path(row).name}-{precision}-attune" + ("" if attention == "own" else f"-{attention}") + ("-check" if check else "")
        extra = ["--no_dropout", "--steps", CHECK_STEPS] if check else ["--steps", self.options.steps]
        trained = json.loads((self.folder(row) / "batch.json").read_text())["trainable_layers"]
        command = [self.program, "--model_dir", self.folder(row), "--trainable_layers", trained, *self.batch(), *self.size,
                   "--precision", precision, "--attention", attention, *extra]
        return Run(name, command, {"system": "attune", "dropout": self.has_dropout(row) and not check})

    def peer(self, row, precision, variant, attention, check=False):
        name = f"{pathlib.Path(row).name}-{precision}-pytorch-{variant}-{attention}" + ("-check" if check else "")
        extra = ["--no_dropout", "--steps", CHECK_STEPS] if check else ["--steps", self.options.steps]
        command = [self.options.python, PEER, "--load", self.folder(row), *self.size, "--precision", precision, "--variant", variant,
                   "--attention", attention, "--wait", *extra]
        return Run(name, command, {"system": "pytorch"})

    def runs(self, rows):
        """All runs as they are timed: by precision, by row, ours before its peers."""
        configurations = [each.split(":") for each in self.options.configurations.split(",") if each]
        precisions = list(dict.fromkeys([*self.options.precisions.split(","), *(our_precision(each[0]) for each in configurations)]))
        out = []
        for precision in filter(None, precisions):
            for row in rows:
                dropout = self.has_dropout(row)
                peers = [each for each in configurations if our_precision(each[0]) == precision]
                out.append(self.ours(row, precision))
                if self.options.cudnn and precision == "bf16" and not dropout:
                    out.append(self.ours(row, precision, "cudnn"))
                out += [self.peer(row, *each) for each in peers]
                if dropout and peers:
                    out += [self.ours(row, precision, check=True), self.peer(row, precision, "eager", "sdpa", check=True)]
        return out

    def groups(self, runs):
        """Successive runs, in each group so many peers at most."""
        out, peers = [[]], 0
        for run in runs:
            peer = run.about["system"] == "pytorch"
            if peer and peers == self.options.together:
                out.append([])
                peers = 0
            peers += peer
            out[-1].append(run)
        return out

    def time_group(self, runs):
        peers = [run for run in runs if run.about["system"] == "pytorch"]
        try:
            for run in peers:
                run.start(self.output, self.environment)
            end = time.monotonic() + self.left(self.options.compile_limit)
            for run in peers:
                run.wait_ready(end - time.monotonic())
            for run in runs:
                limit = self.left(self.options.limit)
                if run.result is None and limit < 1:
                    run.result = {"error": "no time left"}
                elif run in peers:
                    if run.result is None:
                        run.go_on(limit)
                else:
                    run.start(self.output, self.environment)
                    run.result = run.line(limit)
                run.end()
                run.save(self.output)
                print(f"bench_rows: {run.name}: {run.result.get('error') or run.result['median_ms']}", file=sys.stderr, flush=True)
        finally:
            for run in peers:
                run.end()

    def about(self, runs):
        try:
            card = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True,
                                  timeout=30).stdout.strip() if self.options.device == "cuda" else ""
        except (OSError, subprocess.TimeoutExpired):
            card = ""
        versions = next((f", PyTorch {run['torch']}, transformers {run['transformers']}" for run in runs if "torch" in run), "")
        return f"{card or self.options.device}{versions}; {self.options.steps} steps, {time.strftime('%Y-%m-%d %H:%M')}.\n\n"

    def run(self):
        shutil.rmtree(self.output / "start", ignore_errors=True)
        self.output.mkdir(parents=True, exist_ok=True)
        for old in [*self.output.glob("*.json"), *self.output.glob("*.log")]:
            old.unlink()
        rows = self.write_models()
        for group in self.groups(self.runs(rows)):
            self.time_group(group)
        shutil.rmtree(self.output / "start", ignore_errors=True)
        runs = [json.loads(path.read_text()) | {"name": path.stem} for path in sorted(self.output.glob("*.json"))]
        order = {pathlib.Path(row).name: i for i, row in enumerate(self.options.rows.split(","))}
        runs.sort(key=lambda run: order.get(str(run.get("model")).split(",")[0], len(order)))
        failed = [run for run in runs if "error" in run]
        text = self.about(runs) + table_of(runs) + "".join(f"\n- {run['name']}: {run['error']}" for run in failed) + "\n"
        (self.output / "table.md").write_text(text)
        print(text)
        return 1 if not runs or any(run["system"] == "attune" for run in failed) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="folder for the results")
    parser.add_argument("--bin", required=True, help="folder of bench_train_step")
    parser.add_argument("--rows", default=ROWS, help="published shapes, or folders with a config.json (with a / in them); default %(default)s")
    parser.add_argument("--configurations", help="of the peer: precision:variant:attention,... (default "
                        f"{CONFIGURATIONS['cuda']}; with --device cpu {CONFIGURATIONS['cpu']})")
    parser.add_argument("--precisions", default="", help="of attune, in addition to those of the configurations: fp32,bf16, on cuda also tf32")
    parser.add_argument("--cudnn", action="store_true", help="attune with cuDNN's attention too, where a model has no dropout")
    parser.add_argument("--python", default=sys.executable, help="python with torch and transformers")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--batch_size", default="8")
    parser.add_argument("--length", default="256")
    parser.add_argument("--lengths", choices=["full", "imdb"], default="full")
    parser.add_argument("--steps", default="50")
    parser.add_argument("--warmup", default="5")
    parser.add_argument("--together", type=int, default=16, help="peers that compile at once and then hold memory until they are timed")
    parser.add_argument("--compile_limit", type=float, default=240, help="seconds for them to be ready")
    parser.add_argument("--limit", type=float, default=60, help="seconds for each run after that")
    parser.add_argument("--budget", type=float, default=1800, help="seconds for everything")
    options = parser.parse_args()
    if options.configurations is None:
        options.configurations = CONFIGURATIONS[options.device]
    sys.exit(Bench(options).run())


if __name__ == "__main__":
    main()
