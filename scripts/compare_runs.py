#!/usr/bin/env python3
"""Prints runs side by side, from the run.json that train_gpt and train_bert write: the options that differ, and what came of them.

usage: compare_runs.py [--all] RUN RUN...    (folders with a run.json, or such files)
  --all   also the options that all runs share, and every measure
Exits with 2 after a mistake on the command line, 1 if a file is no run.json.
"""

import argparse
import json
import pathlib
import signal
import sys

# Measures that are shown without --all, of one class, several labels, and numbers.
MEASURES = ("accuracy", "f1_macro", "mcc", "log_loss", "roc_auc", "subset_accuracy", "hamming_loss", "pearson", "spearman", "r2", "mae", "mse", "loss")
# Where things are, not what they do.
PLACES = {"--output", "--log_file", "--tensorboard", "--save_adapter", "--split_output", "--cache", "--options", "--resume"}


def read(path):
    file = path / "run.json" if path.is_dir() else path
    try:
        run = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(run["options"], dict) or not isinstance(run["measures"], dict):
            raise KeyError("options")
        return run
    except OSError as error:
        sys.exit(f"compare_runs: {file}: {error.strerror}")
    except (ValueError, KeyError, TypeError):
        sys.exit(f"compare_runs: {file}: is no run.json of a training run")


def number(value):
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def rows_of(runs, everything):
    """(section, name, cells) for each line of the table."""
    names = sorted({name for run in runs for name in run["options"]})
    rows = [("", "program", [run.get("program", "") for run in runs])]
    for name in names:
        cells = [run["options"].get(name, "") for run in runs]
        if name not in PLACES and (everything or len(set(cells)) > 1):
            rows.append(("options", name, cells))
    for split in ("train", "validation", "test"):
        digests = [run.get("data", {}).get(split, {}).get("digest", "")[:12] for run in runs]
        if len(set(digests)) > 1:
            rows.append(("data", f"{split} examples (digest)", digests))
    for split in ("validation", "test") if not everything else ("train", "validation", "test"):
        measured = [run["measures"].get(split, {}) for run in runs]
        for name in dict.fromkeys(name for values in measured for name in values):
            if everything or name in MEASURES:
                rows.append(("measures", f"{split} {name}", [number(values.get(name)) for values in measured]))
    for name in ("parameters", "trained_parameters", "steps", "training_seconds"):
        rows.append(("run", name.replace("_", " "), [number(run.get(name)) for run in runs]))
    rows.append(("run", "begin", [run.get("begin", "") for run in runs]))
    return rows


def table(titles, rows):
    width = max(len(name) for _, name, _ in rows)
    columns = [max(len(title), *(len(cells[i]) for _, _, cells in rows)) for i, title in enumerate(titles)]

    def line(name, cells):
        return f"{name:{width}}  " + "  ".join(f"{cell:>{columns[i]}}" for i, cell in enumerate(cells)).rstrip()

    out, section = [line("", titles)], None
    for group, name, cells in rows:
        if group != section and group:
            out.append("")
        section = group
        out.append(line(name, cells))
    return "\n".join(out)


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it silently
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=pathlib.Path, metavar="RUN")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    runs = [read(path) for path in options.runs]
    titles = [(path if path.is_dir() else path.parent).resolve().name for path in options.runs]
    print(table(titles, rows_of(runs, options.all)))


if __name__ == "__main__":
    main()
