#!/usr/bin/env python3
"""Writes small data with hostile labels and texts: one class, several labels, and a number for each text.

usage: report_page_data.py FOLDER
"""

import csv
import pathlib
import random
import sys

# The classes; the texts of each have words of their own.
LABELS = ["</script><script>alert(1)</script>", "\"quo'te\" & <b>bold", "control\x01\x1b[31m \u202eright to left", "plain"]
WORDS = [["red", "blood", "fire"], ["blue", "sea", "sky"], ["green", "leaf", "grass"], ["grey", "stone", "ash"]]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(7)
    for split, rows in (("train", 96), ("validation", 40), ("test", 60)):
        with open(folder / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(["text", "label", "tags", "score"])
            for row in range(rows):
                label = row % len(LABELS)
                words = [draw.choice(WORDS[label] if draw.random() < 0.6 else draw.choice(WORDS)) for _ in range(draw.randint(3, 14))]
                hostile = ["</li></main><img src=x onerror=alert(2)>", "]]>", "&amp;", "<!--", "\x02", "\u200f"][row % 6]
                tags = sorted({word for word in words if word in ("red", "blue", "green")})
                out.writerow([" ".join(words) + f" {hostile} {row}", LABELS[label], "|".join(tags), len(words) + 0.5 * label])


if __name__ == "__main__":
    main()
