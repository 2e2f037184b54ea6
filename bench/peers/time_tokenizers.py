#!/usr/bin/env python3
"""Times bench_tokenizers next to tiktoken (GPT-2) and Hugging Face's tokenizers (all), on one core, and prints ratios.

usage: time_tokenizers.py --bench build/release/bin/bench_tokenizers --tokenizers DIR --csv train.csv [--csv ...]

DIR holds one folder per tokenizer with its tokenizer.json; a folder with vocab.json and merges.txt and GPT-2's
<|endoftext|> is timed on tiktoken too, built from those files. The peers are called in their fastest way: tiktoken's
encode_ordinary, tokenizers' encode_batch_fast (no offsets) on one thread. Passes alternate between all of them
and the fastest of each counts; times are processor time, so that a busy machine troubles them little. The numbers of ids
must agree.

Needs: pip install tokenizers tiktoken
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tiktoken  # noqa: E402  (after the thread settings)
import tokenizers  # noqa: E402


def read_texts(paths):
    csv.field_size_limit(1 << 30)
    texts = []
    for path in paths:
        with open(path, newline="", encoding="utf-8") as file:
            texts += [row["text"] for row in csv.DictReader(file)]
    return texts


def byte_of_character():
    """The alphabet of byte-level BPE: printable bytes stand for themselves, the others for U+0100 and on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{chr(byte): byte for byte in printable}, **{chr(256 + i): byte for i, byte in enumerate(others)}}


def tiktoken_of(folder):
    """tiktoken's GPT-2 from the folder's vocabulary, or None where it is another tokenizer's."""
    vocabulary = folder / "vocab.json"
    if not vocabulary.exists():
        return None
    ids = json.loads(vocabulary.read_text(encoding="utf-8"))
    if len(ids) != 50257 or "<|endoftext|>" not in ids:
        return None
    special = {"<|endoftext|>": ids.pop("<|endoftext|>")}
    table = byte_of_character()
    ranks = {bytes(table[c] for c in token): rank for token, rank in ids.items()}
    pattern = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
    return tiktoken.Encoding("gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)


def time_tiktoken(encoding, texts):
    begin = time.process_time()
    rows = [encoding.encode_ordinary(text) for text in texts]
    return time.process_time() - begin, sum(map(len, rows))


def time_tokenizers(tokenizer, texts):
    begin = time.process_time()
    rows = tokenizer.encode_batch_fast(texts)
    seconds = time.process_time() - begin
    return seconds, sum(len(row.ids) for row in rows)


def time_ours(bench, folder, paths):
    command = [bench, "--tokenizer", str(folder), "--passes", "1"]
    command += [part for path in paths for part in ("--csv", path)]
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(words[words.index("seconds") + 1]), int(words[words.index("ids") + 1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", required=True)
    parser.add_argument("--tokenizers", required=True, type=Path)
    parser.add_argument("--csv", required=True, action="append")
    parser.add_argument("--passes", type=int, default=1)
    args = parser.parse_args()
    texts = read_texts(args.csv)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    peers = f"tiktoken {version('tiktoken')}, tokenizers {version('tokenizers')}"
    print(f"{len(texts)} texts, {megabytes:.1f} MB; {peers}; one core")
    for folder in sorted(args.tokenizers.iterdir()):
        if not (folder / "tokenizer.json").exists():
            continue
        runs = {"attune": lambda: time_ours(args.bench, folder, args.csv)}
        encoding = tiktoken_of(folder)
        if encoding:
            runs["tiktoken"] = lambda: time_tiktoken(encoding, texts)
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        runs["tokenizers"] = lambda: time_tokenizers(tokenizer, texts)
        best, ids = {}, {}
        for _ in range(args.passes):
            for name, run in runs.items():
                seconds, ids[name] = run()
                best[name] = min(seconds, best.get(name, seconds))
        if len(set(ids.values())) != 1:
            sys.exit(f"{folder.name}: the numbers of ids differ: {ids}")
        line = ", ".join(f"{name} {megabytes / seconds:.1f} MB/s" for name, seconds in best.items())
        ratios = ", ".join(f"{best[name] / best['attune']:.1f} x {name}" for name in best if name != "attune")
        print(f"{folder.name}: {line}: attune is {ratios}", flush=True)


if __name__ == "__main__":
    main()
