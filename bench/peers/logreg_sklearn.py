"""train_logreg next to scikit-learn, in one run, on the same data and cores.

    taskset -c 0 python bench/peers/logreg_sklearn.py --data DIR --train_logreg build/release/bin/train_logreg

Both count the words of the three splits and fit C = 1. scikit-learn fits twice: as the reference recipe does (L-BFGS, which
stops early), and to the optimum, where train_logreg always ends (newton-cg, tolerance 1e-10). Each side's best of --rounds
rounds, taken in turn, counts. Needs scikit-learn and pandas; CPU affinity (taskset) decides the cores of both.
"""
import argparse
import os
import re
import subprocess
import time

CORES = len(os.sched_getaffinity(0))
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(CORES)

import pandas
import sklearn
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

SPLITS = ("train", "validation", "test")


def timed(work):
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def run_sklearn(tables):
    """Seconds of each part, and the accuracies of both fits in percent."""
    vectorizer = CountVectorizer()

    def count():
        return [vectorizer.fit_transform(tables[0]["text"])] + [vectorizer.transform(t["text"]) for t in tables[1:]]

    seconds, accuracies = {}, {}
    seconds["count"], matrices = timed(count)
    for name, model in (("fit, early stop", LogisticRegression(max_iter=1000)),
                        ("fit, optimum", LogisticRegression(solver="newton-cg", tol=1e-10, max_iter=1000))):
        seconds[name], _ = timed(lambda: model.fit(matrices[0], tables[0]["label"]))
        accuracies[name] = [f"{100 * model.score(x, t['label']):.2f}" for x, t in zip(matrices, tables)]
    return seconds, accuracies


def run_attune(program, data):
    out = subprocess.run([program, "--data", data, "--threads", str(CORES), "--top", "0"], check=True,
                         capture_output=True, text=True).stdout
    seconds = {"count": float(re.search(r"counted in ([\d.]+) seconds", out)[1]),
               "fit, optimum": float(re.search(r"fitted in ([\d.]+) seconds", out)[1])}
    return seconds, {"fit, optimum": re.findall(r"accuracy: ([\d.]+)%", out)[-3:]}


def best(rounds):
    """The least time of each part."""
    return {part: min(seconds[part] for seconds, _ in rounds) for part in rounds[0][0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with train.csv, validation.csv, test.csv")
    parser.add_argument("--train_logreg", required=True, help="the program")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()

    tables = [pandas.read_csv(os.path.join(args.data, f"{split}.csv")) for split in SPLITS]
    attune, peer = [], []
    for _ in range(args.rounds):
        attune.append(run_attune(args.train_logreg, args.data))
        peer.append(run_sklearn(tables))
    ours, theirs = best(attune), best(peer)
    print(f"cores: {CORES}, best of {args.rounds} rounds, scikit-learn {sklearn.__version__}")
    for part in theirs:
        our_part = ours.get(part, ours["fit, optimum"])
        print(f"{part:16} attune {our_part:6.2f} s   scikit-learn {theirs[part]:6.2f} s   ratio {theirs[part] / our_part:5.2f}")
    our_total = ours["count"] + ours["fit, optimum"]
    for part in ("fit, early stop", "fit, optimum"):
        total = theirs["count"] + theirs[part]
        print(f"count + {part:16} attune {our_total:6.2f} s   scikit-learn {total:6.2f} s   ratio {total / our_total:5.2f}")
    for part, values in peer[0][1].items():
        print(f"accuracies, {part}: attune {attune[0][1]['fit, optimum']}, scikit-learn {values}")


if __name__ == "__main__":
    main()
