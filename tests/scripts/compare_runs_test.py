"""scripts/compare_runs.py on run.json files made up here: what differs is shown, what is the same is not, and what is no run is refused.

usage: compare_runs_test.py SCRIPT
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = sys.argv.pop()


def run_json(**changes):
    run = {"attune": "0.1.0", "program": "train_gpt", "options": {"--seed": "1", "--learning_rate": "5e-05", "--output": "a"},
           "data": {"train": {"examples": 9, "digest": "ab" * 32}}, "parameters": 10, "trained_parameters": 4, "steps": 3,
           "measures": {"test": {"accuracy": 0.75, "f1.good": 0.5, "loss": None}}, "begin": "2026-01-01T00:00:00Z", "training_seconds": 1.5}
    return {**run, **changes}


class CompareRuns(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, content):
        path = pathlib.Path(self.folder.name) / name
        path.mkdir()
        (path / "run.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def compare(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True)

    def cells(self, output, name):
        return next((line.split()[len(name.split()):] for line in output.splitlines() if line.startswith(name + " ")), None)

    def test_shows_what_differs(self):
        other = run_json(options={"--seed": "2", "--learning_rate": "5e-05", "--output": "b", "--new": "x"}, measures={})
        first, second = self.write("first", run_json()), self.write("second", other)
        done = self.compare(first, second / "run.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[0].split(), ["first", "second"])
        self.assertEqual(self.cells(done.stdout, "--seed"), ["1", "2"])
        self.assertEqual(self.cells(done.stdout, "--new"), ["x"])
        self.assertEqual(self.cells(done.stdout, "test accuracy"), ["0.75"])
        self.assertEqual(self.cells(done.stdout, "training seconds"), ["1.5", "1.5"])
        for hidden in ("--learning_rate", "--output", "test f1.good", "train examples (digest)"):
            self.assertIsNone(self.cells(done.stdout, hidden), hidden)
        shown = self.compare("--all", first, second).stdout
        self.assertEqual(self.cells(shown, "--learning_rate"), ["5e-05", "5e-05"])
        self.assertEqual(self.cells(shown, "test f1.good"), ["0.5"])

    def test_says_that_the_data_differ(self):
        other = run_json(data={"train": {"examples": 9, "digest": "cd" * 32}})
        done = self.compare(self.write("first", run_json()), self.write("second", other))
        self.assertEqual(self.cells(done.stdout, "train examples (digest)"), ["ab" * 6, "cd" * 6])

    def test_refuses_what_is_no_run(self):
        good = self.write("good", run_json())
        for name, content in (("cut", '{"options": {'), ("other", "[1]"), ("model", '{"options": {}}')):
            done = self.compare(good, self.write(name, content))
            self.assertEqual(done.returncode, 1)
            self.assertIn("is no run.json of a training run", done.stderr)
        self.assertEqual(self.compare(good, pathlib.Path(self.folder.name) / "nowhere").returncode, 1)
        self.assertEqual(self.compare().returncode, 2)


if __name__ == "__main__":
    unittest.main()
