#!/usr/bin/env python3
"""The tensorboard package reads the event file of a run: the same numbers as in the run's log.

usage: tensorboard_events.py BIN_FOLDER    (where train_gpt, prepare_imdb and tokenize are)
Exits with 77, which CTest calls skipped, where tensorboard is missing.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print(f"skipped: needs python3 with tensorboard ({error})")
    sys.exit(77)

STEPS = 6


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: tensorboard_events.py BIN_FOLDER")
    programs = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def run(program, *arguments):
            subprocess.run([str(programs / program), *map(str, arguments)], check=True, capture_output=True)

        run("prepare_imdb", "--synthetic", "--output", folder / "data")
        run("tokenize", "--train", "bpe", "--vocab_size", 300, "--csv", folder / "data/train.csv", "--output", folder / "tokenizer")
        config = {"model_type": "gpt2", "vocab_size": 300, "n_positions": 24, "n_embd": 16, "n_layer": 1, "n_head": 2}
        (folder / "config.json").write_text(json.dumps(config))
        run("train_gpt", "--weights", "random", "--config", folder / "config.json", "--tokenizer", folder / "tokenizer", "--data", folder / "data",
            "--context_length", 24, "--max_train_examples", 100, "--max_eval_examples", 40, "--max_steps", STEPS, "--eval_freq", 2,
            "--log_file", folder / "log", "--tensorboard", folder / "events")
        log = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
        events = EventAccumulator(str(folder / "events"))
        events.Reload()

        def check(tag, expected):
            found = [(event.step, event.value) for event in events.Scalars(tag)]
            if len(found) != len(expected) or any(a != c or abs(b - d) > 1e-6 * max(1, abs(d)) for (a, b), (c, d) in zip(found, expected)):
                sys.exit(f"{tag}: the file has {found}, the log {expected}")

        for key in ("loss", "learning_rate", "grad_norm", "tokens_per_second"):
            check(f"train/{key}", [(line["step"], line[key]) for line in log if "learning_rate" in line])
        check("evaluation/validation_loss", [(line["step"], line["val_loss"]) for line in log if "val_loss" in line and "step" in line])
        check("final/test_accuracy", [(STEPS - 1, line["accuracy"]) for line in log if line.get("split") == "test"])
        print(f"{len(events.Tags()['scalars'])} tags have the numbers of the log")


if __name__ == "__main__":
    main()
