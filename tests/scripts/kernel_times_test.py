"""scripts/kernel_times.py on a trace made up here: times and gaps of whole steps, names, and what is no trace is refused.

usage: kernel_times_test.py SCRIPT
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = sys.argv.pop()

NORM = "void attune::kernels::(anonymous namespace)::layernorm_forward_kernel<attune::BFloat16, 4>(attune::Arguments<attune::BFloat16>)"
ADAMW = "attune::kernels::(anonymous namespace)::adamw_kernel(attune::Entry const*, int)"
PRODUCT = "nvjet_sm90_tst_128x96_64x7_1x2_h_bz_bias_TNT"


def step(begin):
    """A norm of 2 us, a product of 10 us that begins half a microsecond after it, a copy next to its end, AdamW of 5 us."""
    lines = [(0, 2000, "256,1,1", NORM), (2500, 12500, "2,66,1", PRODUCT), (12000, 13000, "-", "copy"), (13000, 18000, "9,1,1", ADAMW)]
    return [f"{begin + start} {begin + end} 7 {grid} {name}" for start, end, grid, name in lines]


class KernelTimes(unittest.TestCase):
    def run_on(self, lines, *options):
        with tempfile.TemporaryDirectory() as folder:
            trace = pathlib.Path(folder) / "trace"
            trace.write_text("\n".join(lines) + "\n")
            return subprocess.run([sys.executable, SCRIPT, *options, trace], capture_output=True, text=True)

    def rows(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in result.stdout.splitlines()[2:]]
        return {row[0]: row[1:] for row in cells}

    def test_adds_up_the_last_steps(self):
        rows = self.rows(self.run_on(step(0) + step(20000) + step(40000), "--steps", "1"))
        self.assertEqual(rows["product"], ["1", "10.0", "10.00", "0.50"])
        self.assertEqual(rows["layernorm_forward"], ["1", "2.0", "2.00", "2.00"])
        self.assertEqual(rows["copy"], ["1", "1.0", "1.00", "-0.50"])
        self.assertEqual(rows["adamw"], ["1", "5.0", "5.00", "0.00"])
        self.assertEqual(rows["all"], ["4", "18.0", "", "2.0 in all"])

    def test_means_over_steps(self):
        longer = [line.replace(" 52500 7", " 56500 7") for line in step(40000)]  # the product
        self.assertEqual(self.rows(self.run_on(step(0) + step(20000) + longer))["product"][:3], ["1", "12.0", "12.00"])

    def test_lines_come_in_any_order(self):
        lines = step(0) + step(20000)
        self.assertEqual(self.rows(self.run_on(lines)), self.rows(self.run_on(lines[::-1])))

    def test_no_step_and_no_trace(self):
        for lines, message in ((step(0), "no whole step"), (["hello"], ":1: not a line of a trace"), (["a b c d e"], "not a line")):
            result = self.run_on(lines)
            self.assertEqual(result.returncode, 1)
            self.assertIn(message, result.stderr)
        result = subprocess.run([sys.executable, SCRIPT, "/nowhere/trace"], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (1, "kernel_times: /nowhere/trace: No such file or directory\n"))


if __name__ == "__main__":
    unittest.main()
