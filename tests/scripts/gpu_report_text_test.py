#!/usr/bin/env python3
"""scripts/gpu_report.py on canned stages: the figures it derives, and that nothing missing or broken stops it.

usage: gpu_report_text_test.py FOLDER_OF_GPU_REPORT
"""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, sys.argv.pop(1))
import gpu_report  # noqa: E402


def stage(name, status="ok", code=0, log="", note="", limit=60):
    return json.dumps({"name": name, "status": status, "code": code, "seconds": 12, "limit": limit, "log": log, "note": note, "command": f"run {name}"})


def kernel(name, microseconds, **counters):
    return {"name": f"{name}/iterations:1/manual_time", "real_time": microseconds, "time_unit": "us", **counters}


class Report(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        (self.folder / "logs").mkdir()
        (self.folder / "train_step").mkdir()
        self.put("about.json", json.dumps({"device": "A card", "commit": "c0ffee"}))
        self.put("stages.jsonl", stage("build"))

    def tearDown(self):
        self.temporary.cleanup()

    def put(self, name, text):
        (self.folder / name).write_text(text)

    def report(self, code):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(gpu_report.main(self.folder), code)
        return (self.folder / "report.md").read_text()

    def test_an_empty_folder(self):
        with tempfile.TemporaryDirectory() as empty:
            self.folder = pathlib.Path(empty)
            text = self.report(1)
        for words in ("No stage ran.", "about.json was not written", "ctest.xml was not written", "kernels.json was not written",
                      "No training step was timed."):
            self.assertIn(words, text)

    def test_all_well(self):
        text = self.report(0)
        self.assertIn("All 1 stages ended well.", text)
        self.assertIn("| device | A card |", text)
        self.assertIn("| build | `run build` | ok | 12 |  |", text)

    def test_bad_stages(self):
        self.put("logs/tests.log", "one\n" * 30 + "the last words\n")
        self.put("stages.jsonl", "\n".join([
            stage("tests", "failed", 8, "logs/tests.log"), stage("slow", "timed out", 124, "logs/none.log", limit=99),
            stage("late", "no time left"), stage("tool", "not available", note="not | installed"), stage("fine")]))
        text = self.report(1)
        self.assertIn("3 of 5 stages failed: tests, slow, late.", text)
        self.assertIn("**failed (exit code 8)**", text)
        self.assertIn("**timed out after 99 s**", text)
        self.assertIn("| not available | 12 | not \\| installed |", text)
        self.assertIn("the last words\n```", text)
        self.assertEqual(text.count("one\n"), 14)
        self.assertIn("(cannot be read:", text)

    def test_stages_that_are_no_stages(self):
        self.put("stages.jsonl", stage("build") + "\n{\"name\": 1}\nnonsense\n[]\n")
        text = self.report(1)
        for line in (2, 3, 4):
            self.assertIn(f"stages.jsonl, line {line}:", text)

    def test_tests(self):
        self.put("ctest.xml", """<testsuite>
          <testcase name="a" time="1.25" status="run"><system-out>[  PASSED  ] 5 tests.
[  SKIPPED ] 2 tests, listed below:</system-out></testcase>
          <testcase name="b" time="2" status="fail"><failure message=""/><system-out>[  FAILED  ] Table/Op.Case/x (3 ms)
[  FAILED  ] Table/Op.Case/x, where GetParam() = 3
[  PASSED  ] 4 tests.
[  FAILED  ] 1 test, listed below:</system-out></testcase>
          <testcase name="c" time="0" status="notrun"><skipped/></testcase></testsuite>""")
        text = self.report(0)
        self.assertIn("3 CTest tests: 1 passed, 1 failed, 1 skipped. Cases within them: 9 passed, 1 failed, 2 skipped.", text)
        self.assertIn("| b | failed | 2.0 |\n| c | skipped | 0.0 |\n| a | passed | 1.2 |", text)
        self.assertIn("- b: Table/Op.Case/x", text)
        self.put("ctest.xml", "<testsuite><testcase")
        self.assertIn("ctest.xml cannot be read:", self.report(0))

    def test_sanitizers(self):
        self.put("logs/m.log", "========= COMPUTE-SANITIZER\n[==========] 31 tests from 2 test suites ran. (9 ms total)\n========= ERROR SUMMARY: 0 errors\n")
        self.put("logs/r.log", "========= COMPUTE-SANITIZER\n========= Error: Race reported at kernel_x\n=========     at 0x10\n"
                               "========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)\n")
        self.put("stages.jsonl", "\n".join([
            stage("sanitizer memcheck", log="logs/m.log"), stage("sanitizer racecheck", "failed", 86, "logs/r.log"),
            stage("sanitizer initcheck", "not available", note="not here")]))
        text = self.report(1)
        self.assertIn("| memcheck | ok | 31 | ERROR SUMMARY: 0 errors |", text)
        self.assertIn("| racecheck | failed |  | RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings) |", text)
        self.assertIn("| initcheck | not available |  | not here |", text)
        self.assertIn("========= Error: Race reported at kernel_x", text)

    def test_kernels(self):
        self.put("kernels.json", json.dumps({"benchmarks": [
            kernel("ceiling/copy", 1000, bytes=3e9), kernel("ceiling/linear/8x8x8/bfloat16", 1000, flops=8e11),
            kernel("norm/2x3/forward/float32/warm", 5, bytes=3e6), kernel("norm/2x3/forward/float32/cold", 2, bytes=3e6, min_us=1.9, max_us=2.1),
            kernel("linear/4x4/backward/bfloat16/warm", 10, bytes=1e6, flops=2e9),
            {"name": "norm/9/forward/float32/warm/iterations:1/manual_time", "error_occurred": True, "error_message": "out of memory"},
            kernel("odd", 1)]}))
        text = self.report(0)
        self.assertIn("device copy of 1 GiB 3,000 GB/s", text)
        self.assertIn("in bfloat16 800.0 TFLOP/s", text)
        self.assertIn("| norm | 2x3 | forward | float32 | 5.0 | 2.0 | 1,500 | 50 % |  |  | 10 % |", text)
        self.assertIn("| linear | 4x4 | backward | bfloat16 | 10.0 |  |  |  | 200.0 | 25 % |", text)
        self.assertIn("- norm/9/forward/float32/warm: out of memory", text)
        self.assertIn("- odd: not understood", text)
        for broken in ("", "[]", "{\"benchmarks\": 3}"):
            self.put("kernels.json", broken)
            self.assertIn("Not measured:", self.report(0))

    def test_fine_tuning(self):
        self.assertIn("## Fine-tuning\n\nNot done.", self.report(0))
        self.put("fine_tuning.txt", "Step 1\nTraining completed in 0.21 minutes\nTest accuracy: 86.12%\n")
        self.assertIn("- Training completed in 0.21 minutes\n- Test accuracy: 86.12%\n", self.report(0))
        self.put("fine_tuning.txt", "Step 1\n")
        self.assertIn("It printed no accuracy.", self.report(0))

    def test_training_steps(self):
        run = {"system": "attune", "model": "gpt2", "precision": "bf16", "median_ms": 2.0, "min_ms": 1.9, "max_ms": 2.2, "first_loss": 0.7, "last_loss": 0.5,
               "flops": 8e11}
        self.put("kernels.json", json.dumps({"benchmarks": [kernel("ceiling/linear/8x8x8/bfloat16", 1000, flops=8e11)]}))
        self.put("train_step/a.json", json.dumps(run))
        self.put("train_step/b.json", json.dumps({**run, "system": "pytorch", "variant": "sdpa", "median_ms": 5.0, "min_ms": 4.5, "max_ms": 5.5, "last_loss": 0.51}))
        self.put("train_step/c.json", "")
        self.put("train_step/d.json", json.dumps({"error": "no fused attention"}))
        self.put("train_step/e.json", "7")
        text = self.report(0)
        self.assertIn("| gpt2 | bf16 | attune |  | 2.00 | 1.90 | 2.20 | 15 % | 400.0 | 50 % |  | 0.70000 | 0.50000 |  |\n"
                      "| gpt2 | bf16 | pytorch | sdpa | 5.00 | 4.50 | 5.50 | 20 % | 160.0 | 20 % | 2.50 | 0.70000 | 0.51000 | 2.0e-02 |", text)
        for words in ("- c: c.json cannot be read", "- d: no fused attention", "- e: no object"):
            self.assertIn(words, text)


if __name__ == "__main__":
    unittest.main()
