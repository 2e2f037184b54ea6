#!/usr/bin/env python3
"""scripts/bench_rows.py with made-up programs: what its table says, and that no run which fails, hangs or is missing stops the others.

usage: bench_rows_test.py BENCH_ROWS
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

SCRIPT = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(SCRIPT.parent))
import bench_rows  # noqa: E402

# Writes a folder, or prints a line as attune would; roberta-large cannot be written, distilbert has no result. A timed run notes its time.
PROGRAM = """#!/usr/bin/env python3
import json, pathlib, sys, time
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
if "--save" in arguments:
    if arguments["--model"] == "roberta-large":
        sys.exit("no such shape")
    folder = pathlib.Path(arguments["--save"])
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"hidden_dropout_prob": 0.1 if folder.name == "bert" else 0.0}))
    (folder / "batch.json").write_text(json.dumps({"trainable_layers": "all"}))
    sys.exit()
name = pathlib.Path(arguments["--model_dir"]).name
if name == "distilbert":
    sys.exit("out of luck")
if arguments["--precision"] == "tf32":
    time.sleep(60)
check = "--no_dropout" in sys.argv
print(json.dumps({"system": "attune", "model": name + (", no dropout" if check else ""), "precision": arguments["--precision"],
    "attention": "own", "median_ms": 2.0, "min_ms": 1.5, "max_ms": 3.0, "peak_bytes": 1 << 30, "first_loss": 0.5 if check else 0.9, "last_loss": 0.25}))
"""
# Is ready, waits, and prints a line as the peer would; flex_attention hangs, eager attention is not to be had.
PEER = """#!/usr/bin/env python3
import json, pathlib, sys, time
arguments = dict(zip(sys.argv[2:], sys.argv[3:]))
notes = pathlib.Path(arguments["--load"]).parent.parent / "notes"
about = {"system": "pytorch", "torch": "9", "transformers": "8", "precision": arguments["--precision"], "variant": arguments["--variant"],
    "attention": arguments["--attention"]}
if about["attention"] == "eager":
    print(json.dumps({**about, "error": "ImportError: no eager"}))
    sys.exit(1)
print("a line that is no object")
with notes.open("a") as file:
    file.write("ready\\n")
print(json.dumps({"ready": True}), flush=True)
if about["attention"] == "flex_attention":
    time.sleep(60)
sys.stdin.readline()
with notes.open("a") as file:
    file.write("timed\\n")
name, check = pathlib.Path(arguments["--load"]).name, "--no_dropout" in sys.argv
print(json.dumps({**about, "model": name + (", no dropout" if check else ""), "median_ms": 5.0 if about["variant"] == "eager" else 4.0,
    "min_ms": 3.5, "max_ms": 4.5, "peak_bytes": 3 << 30, "first_loss": 0.5001 if check else 0.8, "last_loss": 0.27}))
"""


class Rows(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        for name, text in (("bench_train_step", PROGRAM), ("python", PEER)):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)

    def tearDown(self):
        self.temporary.cleanup()

    def bench(self, *options):
        begin = time.monotonic()
        done = subprocess.run([sys.executable, SCRIPT, "--bin", self.folder, "--python", self.folder / "python", "--device", "cpu", *options,
                               self.folder / "out"], capture_output=True, text=True)
        return done, time.monotonic() - begin

    def test_table_and_notes(self):
        done, seconds = self.bench("--rows", "bert,gpt2,distilbert,roberta-large", "--limit", "3", "--configurations",
                                   "bf16:eager:sdpa,bf16:compile:sdpa,bf16:eager:eager,bf16:eager:flex_attention", "--precisions", "tf32")
        self.assertEqual(done.returncode, 1)
        for line in ("| bert | bf16 | 2.00 [1.50-3.00] | 4.00 [3.50-4.50] | compile, sdpa | 2.00 | 1.00 / 3.00 | 1.0e-04 | 2.0e-02 |",
                     "| gpt2 | bf16 | 2.00 [1.50-3.00] | 4.00 [3.50-4.50] | compile, sdpa | 2.00 | 1.00 / 3.00 | 1.0e-01 | 2.0e-02 |",
                     "- bert-bf16-pytorch-eager-eager: ImportError: no eager",
                     "- gpt2-bf16-pytorch-eager-flex_attention: no result after 3 s",
                     "- distilbert-bf16-attune: ended with 1: out of luck",
                     "- roberta-large-start: ended with 1: no such shape",
                     "- bert-tf32-attune: no result after 3 s",
                     "PyTorch 9, transformers 8"):
            self.assertIn(line, done.stdout)
        self.assertNotIn("| distilbert |", done.stdout)
        self.assertLess(seconds, 50)
        self.assertFalse((self.folder / "out" / "start").exists())
        self.assertEqual((self.folder / "out" / "table.md").read_text().strip(), done.stdout.strip())

    def test_all_are_ready_before_one_is_timed(self):
        done, _ = self.bench("--rows", "bert,gpt2", "--configurations", "bf16:eager:sdpa,bf16:compile:sdpa", "--together", "3")
        self.assertEqual(done.returncode, 0)
        self.assertEqual((self.folder / "out" / "notes").read_text().split(), ["ready"] * 3 + ["timed"] * 3 + ["ready"] * 2 + ["timed"] * 2)

    def test_defaults_of_a_cpu(self):
        done, _ = self.bench("--rows", "gpt2")
        self.assertEqual(done.returncode, 0)
        self.assertEqual({path.stem for path in (self.folder / "out").glob("*.json")},
                         {f"gpt2-{precision}-{system}" for precision in ("fp32", "bf16") for system in ("attune", "pytorch-eager-sdpa")})

    def test_no_time_left(self):
        done, _ = self.bench("--rows", "gpt2", "--configurations", "", "--precisions", "bf16", "--budget", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("- gpt2-start: no time left", done.stdout)

    def test_weights_in_bfloat16_are_compared_with_bf16(self):
        run = {"model": "m", "median_ms": 2.0, "min_ms": 1.0, "max_ms": 3.0, "peak_bytes": 1 << 30}
        table = bench_rows.table_of([{**run, "system": "attune", "attention": "own", "precision": "bf16"},
                                     {**run, "system": "pytorch", "attention": "sdpa", "variant": "eager", "precision": "bf16-weights"}])
        self.assertIn("| m | bf16 | 2.00 [1.00-3.00] | 2.00 [1.00-3.00] | eager, sdpa, bf16 weights | 1.00 |", table)
        self.assertEqual(bench_rows.table_of([{"system": "attune", "error": "none"}]), "")


if __name__ == "__main__":
    unittest.main()
