#!/usr/bin/env python3
"""Writes python_words_golden.json beside this script: what Python 3.11 itself makes of \\w and str.lower().

usage: python_words_golden.py      (Python 3.11)

Per block of 4096 code points, surrogates left out, sha256 over the UTF-8 of lines, one per code point c (S is U+03A3):
  word       "1" or "0": does \\w match c
  lower      c.lower(), ("A"+c+S).lower(), (c+S).lower(), ("A"+S+c).lower(), ("A"+S+c+"B").lower(), each ended by a newline
and over random texts, drawn from `pool` by the generator below: the lower case and the words of each, each ended by a newline.
"""
import hashlib
import json
import re
import sys
import unicodedata
from pathlib import Path

SIGMA = "\u03a3"
TOKEN = re.compile(r"(?u)\b\w\w+\b")
POOL = ("abcdefXYZ019__  ..''-:,\n" + SIGMA * 8 + "\u03c3\u03c2\u0391\u03b1\u0130\u0131\u0130\u00c9\u00e9\u00df\u1e9e\u0301"
        "\u0308\u0345\u00ad\u200d\u2019\u00b7\u0387\u02b0\u01c5\u2160\u24b6\u00aa\u00bd\u00b2\u4e2d\u4e00\u0661\u0967\u0e01"
        "\u0e34\u0640\u10a0\u13a0\uab70\ua64a\u1c80\u2c00\ufb01\uff21\uff3f\u203f\U00010400\U0001d400\U0001f130\U0001f600"
        "\U000e0001\u05d0\u05f4\u0915\u093f\u094d\u3042\u309b\uac00\u2028\u3000\u0085\u001c")


def blocks(line):
    out = {}
    for first in range(0, 0x110000, 4096):
        sha = hashlib.sha256()
        for c in range(first, first + 4096):
            if not 0xD800 <= c < 0xE000:
                sha.update(line(chr(c)).encode())
        out[hex(first)] = sha.hexdigest()
    return out


def lower_lines(c):
    return "".join(text.lower() + "\n" for text in (c, "A" + c + SIGMA, c + SIGMA, "A" + SIGMA + c, "A" + SIGMA + c + "B"))


def random_texts(count):
    state = 1

    def draw(n):
        nonlocal state
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        return (state >> 33) % n

    for _ in range(count):
        yield "".join(POOL[draw(len(POOL))] for _ in range(draw(40)))


def main():
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"python_words_golden.py: this Python follows Unicode {unicodedata.unidata_version}, expected 14.0.0")
    count, sha = 20000, hashlib.sha256()
    for text in random_texts(count):
        sha.update("".join(piece + "\n" for piece in [text.lower(), *TOKEN.findall(text.lower())]).encode())
    golden = {"python": sys.version.split()[0], "unicode": unicodedata.unidata_version,
              "word": blocks(lambda c: "1\n" if re.match(r"\w", c) else "0\n"), "lower": blocks(lower_lines),
              "pool": POOL, "random_texts": count, "random_digest": sha.hexdigest()}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, indent=0) + "\n")


if __name__ == "__main__":
    main()
