#!/usr/bin/env python3
"""The peer of bench/train_step: one training step of a GPT classifier in PyTorch, timed on the same cores; prints one JSON line.

The model is the plain GPT of the recipe (pre-norm blocks, separate query, key and value projections with bias, tanh GELU,
masked softmax written out; --attention sdpa takes PyTorch's fused attention instead), a two-class head on the last
position, cross-entropy, and AdamW on every parameter. A step is zero_grad, forward, backward, optimizer. With --adamw best
the fused and the foreach optimizer are both tried and the faster one is timed.

usage: train_step.py [--layers 2] [--width 256] [--heads 4] [--batch_size 8] [--length 256] [--threads N] [--steps 20]
"""

import argparse
import json
import math
import statistics
import time

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, width, heads, length, fused):
        super().__init__()
        self.heads, self.fused = heads, fused
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.register_buffer("hidden", torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1))

    def forward(self, x):
        batch, length, width = x.shape

        def split(y):
            return y.view(batch, length, self.heads, width // self.heads).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        if self.fused:
            context = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(2, 3)).masked_fill(self.hidden[:length, :length], -math.inf)
            context = torch.softmax(scores / math.sqrt(width // self.heads), dim=-1) @ v
        return self.out(context.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self, width, heads, length, fused):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, length, fused)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class Gpt(nn.Module):
    def __init__(self, vocabulary, length, width, layers, heads, fused):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*[Block(width, heads, length, fused) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 2)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def make_step(options, adamw):
    """A function that runs one training step and returns the loss."""
    torch.manual_seed(123)
    model = Gpt(options.vocabulary, options.length, options.width, options.layers, options.heads, options.attention == "sdpa")
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.1, **{adamw: True})
    ids = torch.randint(options.vocabulary, (options.batch_size, options.length))
    labels = torch.randint(2, (options.batch_size,))

    def step():
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(ids)[:, -1, :], labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def milliseconds(step, warm_up, steps):
    times = []
    for i in range(warm_up + steps):
        start = time.perf_counter()
        step()
        if i >= warm_up:
            times.append(1e3 * (time.perf_counter() - start))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=50257)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--attention", choices=["plain", "sdpa"], default="plain")
    parser.add_argument("--adamw", choices=["best", "fused", "foreach"], default="best")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    adamw = options.adamw
    if adamw == "best":
        tried = {kind: statistics.median(milliseconds(make_step(options, kind), 2, 5)) for kind in ("fused", "foreach")}
        adamw = min(tried, key=tried.get)
    times = milliseconds(make_step(options, adamw), options.warmup, options.steps)
    print(json.dumps({
        "system": "pytorch", "torch": torch.__version__, "threads": options.threads, "attention": options.attention, "adamw": adamw,
        "median_ms": round(statistics.median(times), 2), "min_ms": round(min(times), 2), "max_ms": round(max(times), 2),
        "steps": options.steps,
    }))


if __name__ == "__main__":
    main()
