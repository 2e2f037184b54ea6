#!/usr/bin/env python3
"""Writes report.md from what the stages of scripts/gpu_report.sh left in a folder.

The folder holds, each where its stage got that far:
  about.json            what was measured: name -> text
  stages.jsonl          one line per stage: name, command, status, code, seconds, limit, log, note
  ctest.xml             JUnit file of the tests
  logs/<stage>.log      what each stage printed
  kernels.json          bench_kernels in Google Benchmark's format
  train_step/*.json     one JSON object per run of bench_train_step and of its peer
  fine_tuning.txt       what train_bert printed
A file that is missing or broken is named in the report, and nothing else is lost. Exits with 1 where a stage failed.

usage: gpu_report.py FOLDER
"""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree

import bench_rows

BAD = ("failed", "timed out", "no time left")


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(head, rows, right=()):
    """A Markdown table; the columns numbered in `right` are aligned to the right."""
    rule = ["--:" if i in right else "---" for i in range(len(head))]
    lines = ["| " + " | ".join(cell(c) for c in row) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]]) + "\n"


def number(value, digits=1):
    return "" if value is None else f"{value:,.{digits}f}"


def read_json(path):
    """The value of a JSON file, or None and the reason."""
    try:
        return json.loads(path.read_text()), None
    except FileNotFoundError:
        return None, f"{path.name} was not written"
    except (OSError, ValueError) as error:
        return None, f"{path.name} cannot be read: {error}"


def read_stages(folder):
    stages, broken = [], []
    try:
        lines = (folder / "stages.jsonl").read_text().splitlines()
    except OSError as error:
        return [], [f"stages.jsonl cannot be read: {error}"]
    for i, line in enumerate(lines, 1):
        try:
            stage = json.loads(line)
            stages.append({key: stage[key] for key in ("name", "command", "status", "code", "seconds", "limit", "log", "note")})
        except (ValueError, KeyError, TypeError) as error:
            broken.append(f"stages.jsonl, line {i}: {error!r}")
    return stages, broken


def about_section(folder):
    about, problem = read_json(folder / "about.json")
    if not isinstance(about, dict):
        return f"{problem or 'about.json is not an object'}\n"
    return table(["", ""], list(about.items()))


def stages_section(stages, broken):
    rows = []
    for s in stages:
        result = s["status"] if s["status"] != "failed" else f"failed (exit code {s['code']})"
        if s["status"] == "timed out":
            result += f" after {s['limit']} s"
        rows.append([s["name"], f"`{s['command']}`" if s["command"] else "", f"**{result}**" if s["status"] in BAD else result,
                     number(s["seconds"], 0), s["note"]])
    out = table(["stage", "command", "result", "seconds", "note"], rows, right=(3,))
    failing = [s for s in stages if s["status"] in BAD and s["log"]]
    for s in failing:
        out += f"\nThe end of `{s['log']}`:\n\n```\n{tail(s['log_path'], 15)}\n```\n"
    return out + "".join(f"\n{line}\n" for line in broken)


def tail(path, count):
    try:
        return "\n".join(line[:300] for line in path.read_text(errors="replace").splitlines()[-count:])
    except OSError as error:
        return f"(cannot be read: {error})"


def tests_section(folder):
    path = folder / "ctest.xml"
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except FileNotFoundError:
        return "No test ran: ctest.xml was not written.\n"
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        return f"ctest.xml cannot be read: {error}\n"
    cases = list(root.iter("testcase"))
    outcome = {"passed": [], "failed": [], "skipped": []}
    inner = {"passed": 0, "failed": 0, "skipped": 0}
    failures = []
    for case in cases:
        status = case.get("status", "")
        kind = "failed" if case.find("failure") is not None or status == "fail" else (
            "skipped" if case.find("skipped") is not None or status in ("notrun", "disabled") else "passed")
        outcome[kind].append(case)
        output = case.findtext("system-out") or ""
        for word, key in (("PASSED", "passed"), ("SKIPPED", "skipped"), ("FAILED", "failed")):
            for count in re.findall(rf"\[  {word}\s*\] (\d+) tests?[.,]", output):
                inner[key] += int(count)
        failures += [f"{case.get('name')}: {line[:200]}" for line in sorted(set(re.findall(r"\[  FAILED  \] (\S+/\S+|\S+\.\S+)", output)))]
    out = (f"{len(cases)} CTest tests: {len(outcome['passed'])} passed, {len(outcome['failed'])} failed, {len(outcome['skipped'])} skipped. "
           f"Cases within them: {inner['passed']} passed, {inner['failed']} failed, {inner['skipped']} skipped.\n\n")
    rows = [[case.get("name"), kind, number(float(case.get("time") or 0))] for kind in ("failed", "skipped", "passed") for case in outcome[kind]]
    out += table(["test", "result", "seconds"], rows, right=(2,))
    if failures:
        out += "\nFailing cases:\n\n" + "".join(f"- {line}\n" for line in failures[:40])
        if len(failures) > 40:
            out += f"- and {len(failures) - 40} more\n"
    return out


def sanitizer_section(stages):
    rows, details = [], ""
    for s in stages:
        if not s["name"].startswith("sanitizer "):
            continue
        text = s["log_path"].read_text(errors="replace") if s["log"] and s["log_path"].exists() else ""
        summary = re.findall(r"=+ ((?:ERROR|RACECHECK) SUMMARY: .*)", text)
        ran = re.findall(r"\[==========\] (\d+) tests? from .* ran", text)
        rows.append([s["name"].removeprefix("sanitizer "), s["status"], ran[-1] if ran else "",
                     summary[-1] if summary else (s["note"] or "no summary")])
        findings = [line for line in text.splitlines() if re.match(r"=+ (?!COMPUTE-SANITIZER|(?:ERROR|RACECHECK) SUMMARY)\S", line)]
        if findings:
            details += f"\n{s['name']}, the first findings:\n\n```\n" + "\n".join(line[:200] for line in findings[:12]) + "\n```\n"
    if not rows:
        return "No sanitizer ran.\n"
    return table(["tool", "stage", "cases run", "findings"], rows, right=(2,)) + details


def read_kernels(folder):
    """Rows of bench_kernels by (case, direction, dtype), the ceilings, and problems."""
    data, problem = read_json(folder / "kernels.json")
    if not isinstance(data, dict) or not isinstance(data.get("benchmarks"), list):
        return {}, {}, [problem or "kernels.json holds no benchmarks"]
    rows, ceilings, problems = {}, {}, []
    for entry in data["benchmarks"]:
        name = re.sub(r"/(iterations:\d+|manual_time|real_time)", "", entry.get("name", "?"))
        if entry.get("error_occurred"):
            problems.append(f"{name}: {entry.get('error_message', 'failed')}")
            continue
        parts = name.split("/")
        if parts[0] == "ceiling":
            ceilings["copy" if parts[1] == "copy" else parts[-1]] = entry
        elif len(parts) == 5:
            rows.setdefault((parts[0], parts[1], parts[2], parts[3]), {})[parts[4]] = entry
        else:
            problems.append(f"{name}: not understood")
    return rows, ceilings, problems


def us(entry):
    """Microseconds of one call, or None."""
    try:
        return float(entry["real_time"]) * {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}[entry["time_unit"]]
    except (TypeError, KeyError, ValueError):
        return None


def rate(entry, what, scale):
    """`what` (bytes or flops) per second over `scale`, or None."""
    time = us(entry)
    return entry[what] / time * 1e6 / scale if time and entry.get(what) else None


def share(value, best):
    return "" if not value or not best else f"{100 * value / best:.0f} %"


def kernels_section(folder):
    rows, ceilings, problems = read_kernels(folder)
    out = ""
    copy = rate(ceilings["copy"], "bytes", 1e9) if "copy" in ceilings else None
    products = {dtype: rate(entry, "flops", 1e12) for dtype, entry in ceilings.items() if dtype != "copy"}
    if copy or products:
        out += "Ceilings measured in the same run: " + "; ".join(
            ([f"device copy of 1 GiB {number(copy, 0)} GB/s (read and written)"] if copy else [])
            + [f"product of 8192 x 8192 matrices in {dtype} {number(rate_, 1)} TFLOP/s" for dtype, rate_ in products.items()]) + ".\n\n"
    if rows:
        out += ("Medians of graph launches timed by events. Warm: the same buffers again and again, which the L2 cache keeps where they fit; "
                "cold: round 256 MiB of copies of them. GB/s counts the bytes that must move; a warm rate above 100 % of the copy is the cache's. "
                "Spread: (slowest - fastest) / median of the cold launches.\n\n")
        lines = []
        for (op, label, direction, dtype), states in rows.items():
            warm, cold = states.get("warm"), states.get("cold")
            either = cold or warm
            moved = rate(cold, "bytes", 1e9) if cold else None
            work = rate(warm or cold, "flops", 1e12)
            spread = (either.get("max_us", 0) - either.get("min_us", 0)) / us(either) if us(either) else None
            lines.append([op, label, direction, dtype, number(us(warm)), number(us(cold)), number(moved, 0), share(moved, copy),
                          number(work, 1), share(work, products.get(dtype)), "" if spread is None else f"{100 * spread:.0f} %"])
        out += table(["op", "case", "direction", "dtype", "warm us", "cold us", "cold GB/s", "of copy", "TFLOP/s", "of product", "spread"],
                     lines, right=range(4, 11))
    if problems:
        out += "\nNot measured:\n\n" + "".join(f"- {line}\n" for line in problems)
    return out


def train_section(folder):
    runs, problems = [], []
    for path in sorted((folder / "train_step").glob("*.json")):
        run, problem = read_json(path)
        if problem is None and not isinstance(run, dict):
            problem = "no object"
        if problem is None and not isinstance(run.get("median_ms"), (int, float)):
            problem = run.get("error", "no median_ms")
        if problem is None:
            runs.append(run)
        else:
            problems.append(f"{path.stem}: {problem}")
    if not runs and not problems:
        return "No training step was timed.\n"
    flops = {run.get("model"): run["flops"] for run in runs if run.get("flops")}
    product = {dtype: rate(entry, "flops", 1e12) for dtype, entry in read_kernels(folder)[1].items()}
    best = {"bf16": product.get("bfloat16"), "fp32": product.get("float32")}
    ours = {(run.get("model"), run.get("precision")): run for run in runs
            if run.get("system") == "attune" and run.get("attention", "own") == "own"}
    rows = []
    for run in sorted(runs, key=lambda r: (str(r.get("model")), str(r.get("precision")), r.get("system") != "attune", r["median_ms"])):
        mine = None if run.get("system") == "attune" else ours.get((run.get("model"), bench_rows.our_precision(run.get("precision"))))
        spread = (run["max_ms"] - run["min_ms"]) / run["median_ms"] if run["median_ms"] and "max_ms" in run and "min_ms" in run else None
        ratio = f"{run['median_ms'] / mine['median_ms']:.2f}" if mine and mine["median_ms"] else ""
        speed = flops[run.get("model")] / run["median_ms"] * 1e-9 if run.get("model") in flops and run["median_ms"] else None
        apart = max((abs(run[key] / mine[key] - 1) for key in ("first_loss", "last_loss") if run.get(key) and mine and mine.get(key)), default=None)
        rows.append([run.get("model", ""), run.get("precision", ""), run.get("system", ""), bench_rows.configuration(run), number(run["median_ms"], 2),
                     number(run.get("min_ms"), 2), number(run.get("max_ms"), 2), "" if spread is None else f"{100 * spread:.0f} %",
                     number(speed), share(speed, best.get(run.get("precision"))), ratio,
                     number(run.get("first_loss"), 5), number(run.get("last_loss"), 5), "" if apart is None else f"{apart:.1e}"])
    out = bench_rows.table_of(runs)
    if out:
        out = "The fastest of PyTorch next to attune; losses are those of runs without dropout.\n\n" + out + "\nEvery run. "
    if rows:
        out += ("All start from the same weights and see the same batch at every step. Time over attune's: of the peer's step, in the same precision. "
                "TFLOP/s counts the matrix products a step must do; the product is the large one above, in the same dtype. "
                "Losses are of the first and the last step; the last column is how far the peer's are from attune's, relatively: with dropout, "
                "by their draws.\n\n")
        out += table(["model", "precision", "system", "variant", "median ms", "min", "max", "spread", "TFLOP/s", "of product", "time over attune's",
                      "first loss", "last loss", "apart"], rows, right=range(4, 14))
    return out + "".join(f"\n- {line}\n" for line in problems)


def fine_tuning_section(folder):
    try:
        lines = (folder / "fine_tuning.txt").read_text().splitlines()
    except OSError:
        return "Not done.\n"
    results = [line.strip() for line in lines if re.search(r"accuracy|completed in|peak memory", line)]
    return "MiniLM on the reviews, in bf16:\n\n" + "".join(f"- {line}\n" for line in results) if results else "It printed no accuracy.\n"


def main(folder):
    stages, broken = read_stages(folder)
    for s in stages:
        s["log_path"] = folder / s["log"]
    bad = [s for s in stages if s["status"] in BAD]
    verdict = f"{len(bad)} of {len(stages)} stages failed: {', '.join(s['name'] for s in bad)}." if bad else f"All {len(stages)} stages ended well."
    if not stages:
        verdict = "No stage ran."
    text = f"# GPU report\n\n{verdict}\n\n" + about_section(folder)
    for title, body in (("Stages", stages_section(stages, broken)), ("Tests", tests_section(folder)), ("Sanitizers", sanitizer_section(stages)),
                        ("Kernels", kernels_section(folder)), ("Training step", train_section(folder)), ("Fine-tuning", fine_tuning_section(folder))):
        text += f"\n## {title}\n\n{body}"
    (folder / "report.md").write_text(text)
    print(f"{folder / 'report.md'}: {verdict}")
    return 1 if bad or broken or not stages else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] in (["--help"], ["-h"]) else 2)
    if not pathlib.Path(sys.argv[1]).is_dir():
        sys.exit(f"gpu_report: {sys.argv[1]} is no folder")
    sys.exit(main(pathlib.Path(sys.argv[1])))
