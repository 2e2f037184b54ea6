#!/usr/bin/env python3
"""attune's tokenizers and the reference library, Hugging Face's tokenizers, give the same ids for random Unicode strings.

Every folder of ATTUNE_DATA/tokenizers gets the same strings: code points of all planes, marks, jamo, emoji sequences, white space of every
kind, control characters, escapes, long words, numbers, special tokens of all folders (whole, cut, in other case, next to spaces) and
reviews with random edits. Every string is compared whole; every fourth also cut to a length, and with special tokens as plain text. Lone
surrogates are left out: they are not text for the reference (attune refuses them with one line).

usage: tokenizers_differential.py TOKENIZE [--strings 20000] [--seed 1] [--only FOLDER]
Exits with 77, which CTest calls skipped, where the library is missing or ATTUNE_DATA names no data. It needs: pip install tokenizers
"""
import argparse
import csv
import json
import lzma
import os
import pathlib
import random
import subprocess
import sys
import time

SKIPPED = 77
BLOCK = 50000  # strings per call of a program
CUT = 12  # ids, special tokens included
SHOWN = 5  # differences that are reduced and printed, for each folder

try:
    import tokenizers
except ImportError as error:
    print(f"skipped: needs python3 with tokenizers ({error})")
    sys.exit(SKIPPED)

SPACES = "   \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u2003\u2007\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
MARKS = "\u0300\u0301\u0308\u0323\u0327\u0345\u05b0\u064b\u093c\u0e31\u0f71\u1dce\u20dd\u20e3\u302a\u3099\ua670\ufe0e\ufe0f\U0001d165\U000e0100"
JOINERS = "\u200c\u200d\u00ad\u2062\u061c\u202e\ufffe\ufffd"
EMOJI = ["\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f3f4\u200d\u2620\ufe0f", "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea",
         "\u2764\ufe0f\u200d\U0001f525", "1\ufe0f\u20e3", "\U0001f9d1\U0001f3fb\u200d\U0001f680", "\U0001f3f4\U000e0067\U000e0062\U000e007f"]
ESCAPES = ["\\x41", "\\u00e9", "\\ud800", "\\n", "\\0", "&amp;", "&#x27;", "%20", "%F0%9F", "\\N{DASH}", "\\\\", "<br />", "\u00c3\u00a9", "0x1F",
           "\u0120the", "##ing", "\u010a", "\u2581a"]
WORDS = ["don't", "I'LL", "we've", "'s", "''s", "'S", "\u2019s", "don't'd", "na\u00efve", "\u0130stanbul", "stra\u00dfe", "\u1e9e", "\ufb01ne", "\u017fo",
         "\u01c5", "\u03a3\u03c2", "\u00bd", "x\u00b2", "\u2167", "\u2460", "\u65e5\u672c\u8a9e", "\ud55c\uad6d\uc5b4", "\u0939\u093f\u0928\u094d\u0926\u0940",
         "\u0e20\u0e32\u0e29\u0e32", "e\u0301", "\u212b", "\u0958", "U.S.A.", "a_b", "C++", "--", "...", "$9.99", "\uff21\uff22", "\U0001d400"]
RANGES = [(0x20, 0x7e), (0x20, 0x7e), (0x61, 0x7a), (0, 0x1f), (0x7f, 0x17f), (0x180, 0x24f), (0x300, 0x36f), (0x370, 0x52f), (0x590, 0x8ff),
          (0x900, 0xdff), (0xe00, 0x10ff), (0x1100, 0x11ff), (0x1ab0, 0x1aff), (0x1c80, 0x1cff), (0x1d00, 0x1fff), (0x2000, 0x20ff),
          (0x2100, 0x2bff), (0x2e80, 0x312f), (0x3130, 0x33ff), (0x3400, 0x4dbf), (0x4e00, 0x9fff), (0xa000, 0xabff), (0xac00, 0xd7a3),
          (0xd7b0, 0xd7ff), (0xe000, 0xe0ff), (0xf900, 0xfaff), (0xfb00, 0xfeff), (0xff00, 0xffff), (0x10000, 0x10fff), (0x11000, 0x11fff),
          (0x12000, 0x1cfff), (0x1d000, 0x1dfff), (0x1e000, 0x1efff), (0x1f000, 0x1ffff), (0x20000, 0x2ffff), (0x30000, 0x3ffff),
          (0xe0000, 0xe01ff), (0xf0000, 0x10ffff), (0, 0x10ffff)]


class RandomText:
    def __init__(self, seed, specials, reviews):
        self.random = random.Random(seed)
        self.specials, self.reviews = specials, reviews
        self.parts = [self.code_points, self.code_points, self.word, self.word, self.spaces, self.marks, self.special, self.special, self.number,
                      self.escape, self.emoji, self.jamo, self.repeated, self.contraction]

    def code_point(self):
        while True:
            value = self.random.randint(*self.random.choice(RANGES))
            if not 0xd800 <= value <= 0xdfff:
                return chr(value)

    def code_points(self):
        return "".join(self.code_point() for _ in range(self.random.randint(1, 4)))

    def word(self):
        return self.random.choice(WORDS)

    def spaces(self):
        if self.random.random() < 0.3:
            return " " * self.random.randint(1, 30)
        return "".join(self.random.choice(SPACES) for _ in range(self.random.randint(1, 4)))

    def marks(self):
        return "".join(self.random.choice(MARKS if self.random.random() < 0.8 else JOINERS) for _ in range(self.random.randint(1, 3)))

    def special(self):
        token = self.random.choice(self.random.choice(self.specials))
        change = self.random.randrange(12)
        if change == 0:
            token = token[: self.random.randint(0, len(token))]
        elif change == 1:
            token = self.random.choice([token.lower(), token.upper(), token.title(), token.swapcase()])
        elif change == 2:
            at = self.random.randint(0, len(token))
            token = token[:at] + self.code_point() + token[at:]
        before, after = (self.spaces() if self.random.random() < 0.4 else "" for _ in range(2))
        return before + token + after

    def number(self):
        return self.random.choice([str(self.random.randint(0, 10 ** self.random.randint(1, 20))), f"{self.random.random():.3f}", "\u0663\u0664", "\u0967\u096d",
                                   "\U00010d40", "1,000", "\u2460\u00b9"])

    def escape(self):
        return self.random.choice(ESCAPES)

    def emoji(self):
        return self.random.choice(EMOJI)

    def jamo(self):
        return "".join(chr(self.random.randint(*self.random.choice([(0x1100, 0x1112), (0x1161, 0x1175), (0x11a7, 0x11c3)])))
                       for _ in range(self.random.randint(1, 5)))

    def repeated(self):
        unit = self.code_point() if self.random.random() < 0.5 else self.random.choice("aetx.!-_=\u00e9\u4e2d")
        longest = 3 if self.random.random() < 0.8 else 110 if self.random.random() < 0.9 else 2000
        return unit * self.random.randint(1, longest)

    def contraction(self):
        return self.random.choice(["'", "\u2019", "`", "''"]) + self.random.choice(["s", "t", "re", "ve", "m", "ll", "d", "S", "LL", "x"])

    def review(self):
        """A piece of a review with a few edits."""
        text = self.random.choice(self.reviews)
        begin = self.random.randrange(len(text))
        text = list(text[begin: begin + self.random.randint(1, 200)])
        for _ in range(self.random.randint(0, 6)):
            at, change = self.random.randrange(len(text)), self.random.randrange(5)
            if change == 0:
                text[at] = self.random.choice(self.parts)()
            elif change == 1:
                text[at] += self.code_point()
            elif change == 2:
                text[at] = ""
            elif change == 3:
                text[at] = text[at].swapcase()
            else:
                text[at] = text[self.random.randrange(len(text))]
        return "".join(text)

    def next(self):
        if self.reviews and self.random.random() < 0.25:
            return self.review()
        glue = " " if self.random.random() < 0.3 else ""
        return glue.join(self.random.choice(self.parts)() for _ in range(self.random.randint(1, 10)))


def special_tokens(folders):
    """The added tokens of each folder: those that are special, and the others."""
    out = []
    for folder in folders:
        added = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
        for special in (True, False):
            tokens = [token["content"] for token in added if token["special"] == special]
            out += [tokens] if tokens else []
    return out


def some_reviews(data):
    with lzma.open(data / "imdb" / "imdb_unsup_50k.csv.xz", "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [row["text"] for row, _ in zip(rows, range(2000)) if row["text"]]


class Ours:
    def __init__(self, program, folder):
        self.command = [program, "--tokenizer", str(folder), "--jsonl", "-", "--format", "ids"]

    def ids(self, texts, *options):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        done = subprocess.run([*self.command, *options], input=lines.encode(), capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(self.command)} ended with {done.returncode}: {done.stderr.decode().strip()}")
        rows = done.stdout.decode().split("\n")[:-1]
        if len(rows) != len(texts):
            raise RuntimeError(f"{' '.join(self.command)}: {len(rows)} rows for {len(texts)} texts")
        return [[int(word) for word in row.split()] for row in rows]


class Reference:
    def __init__(self, folder):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def ids(self, texts, *options):
        """With the options of our program."""
        self.tokenizer.encode_special_tokens = "--literal" in options
        if "--max_length" in options:
            self.tokenizer.enable_truncation(CUT)
        out = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]
        self.tokenizer.no_truncation()
        return out


# Options of the program, and which share of the strings is compared with them.
WAYS = {"whole": ([], 1), f"cut to {CUT}": (["--max_length", str(CUT)], 4), "literal": (["--literal"], 4)}


def reduced(text, ours, theirs, options):
    """The text with characters removed, one at a time, as long as the ids differ."""
    while len(text) > 1:
        shorter = list(dict.fromkeys(text[:at] + text[at + 1:] for at in range(len(text))))
        pairs = zip(shorter, ours.ids(shorter, *options), theirs.ids(shorter, *options))
        text_of = next((candidate for candidate, a, b in pairs if a != b), None)
        if text_of is None:
            return text
        text = text_of
    return text


class Count:
    def __init__(self):
        self.compared = self.ids = self.different = 0
        self.seconds = {"attune": 0.0, "tokenizers": 0.0}


def compare(folder, block, ours, theirs, count):
    for way, (options, stride) in WAYS.items():
        texts, found = block[::stride], {}
        for name, side in (("attune", ours), ("tokenizers", theirs)):
            begin = time.monotonic()
            found[name] = side.ids(texts, *options)
            count.seconds[name] += time.monotonic() - begin
        count.compared += len(texts)
        count.ids += sum(map(len, found["attune"]))
        for text, a, b in zip(texts, found["attune"], found["tokenizers"]):
            if a == b:
                continue
            count.different += 1
            if count.different <= SHOWN:
                text = reduced(text, ours, theirs, options)
                print(f"FAILED: {folder.name}, {way}: {ascii(text)}\n  attune     {ours.ids([text], *options)[0]}\n"
                      f"  tokenizers {theirs.ids([text], *options)[0]}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tokenize")
    parser.add_argument("--strings", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    if not os.environ.get("ATTUNE_DATA"):
        print("skipped: needs tokenizers: set ATTUNE_DATA to their folder")
        return SKIPPED
    data = pathlib.Path(os.environ["ATTUNE_DATA"])
    folders = sorted(path.parent for path in (data / "tokenizers").glob("*/tokenizer.json"))
    if not folders:
        sys.exit(f"{data / 'tokenizers'}: no folder with tokenizer.json")
    texts = RandomText(arguments.seed, special_tokens(folders), some_reviews(data))
    sides = {folder: (Ours(arguments.tokenize, folder), Reference(folder), Count()) for folder in folders if arguments.only in folder.name}
    for done in range(0, arguments.strings, BLOCK):
        block = [texts.next() for _ in range(min(BLOCK, arguments.strings - done))]
        for folder, (ours, theirs, count) in sides.items():
            compare(folder, block, ours, theirs, count)
        different = sum(count.different for _, _, count in sides.values())
        print(f"{done + len(block)} strings, {different} differences", file=sys.stderr, flush=True)
    for folder, (_, _, count) in sides.items():
        times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in count.seconds.items())
        print(f"{folder.name}: {arguments.strings} strings of seed {arguments.seed}: {count.compared} comparisons, {count.ids} ids, "
              f"{count.different} differ; {times}")
    return 1 if any(count.different for _, _, count in sides.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
