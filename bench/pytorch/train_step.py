#!/usr/bin/env python3
"""The peer of bench/train_step: one training step of a GPT classifier in PyTorch, timed on the same machine; prints one JSON line.

The model is the plain GPT of the recipe (pre-norm blocks, separate query, key and value projections with bias, tanh GELU), a two-class
head on the last position, cross-entropy, and AdamW on every parameter. A step is zero_grad, forward, backward, optimizer. With --adamw
best the fused and the foreach optimizer are both tried and the faster one is timed.

Variants:
  eager               masked softmax written out, as in the recipe
  sdpa                PyTorch's fused attention
  compile             the same under torch.compile
  compile-cudagraphs  the same under torch.compile(mode="reduce-overhead"), which replays CUDA graphs
Precisions: fp32 (no TF32), tf32, and bf16: autocast, with float32 weights and optimizer state. The latter two need --device cuda.

On the CPU every step is timed. On a GPU blocks of ten steps are, between two synchronisations: no step waits for its loss.

With --load both systems start from the same weights and see the same batch at every step: their losses must agree.

usage: train_step.py [--device cuda] [--precision bf16] [--variant sdpa] [--layers 2] [--width 256] [--heads 4] [--batch_size 8] [--length 256] ...
"""

import argparse
import json
import math
import pathlib
import statistics
import struct
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
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        return self.head(self.norm(self.blocks(x)))


def read_weights(path):
    """Tensors by name of a float32 safetensors file."""
    content = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    tensors = {}
    for name, entry in json.loads(content[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = torch.frombuffer(bytearray(content[8 + length + begin:8 + length + end]), dtype=torch.float32)
            tensors[name.removeprefix("transformer.")] = values.view(entry["shape"])
    return tensors


def load(model, path):
    """Takes the weights of a GPT-2 checkpoint, whose projections are transposed and whose query, key and value are one."""
    source = read_weights(path)
    used = {}
    names = [("wte", model.tokens), ("wpe", model.positions), ("ln_f", model.norm), ("score", model.head)]
    for i, block in enumerate(model.blocks):
        names += [(f"h.{i}.ln_1", block.norm1), (f"h.{i}.ln_2", block.norm2)]
        names += [(f"h.{i}.attn.c_proj", block.attention.out), (f"h.{i}.mlp.c_fc", block.feed_forward[0]), (f"h.{i}.mlp.c_proj", block.feed_forward[2])]
        for part, layer in enumerate((block.attention.query, block.attention.key, block.attention.value)):
            for kind in ("weight", "bias"):
                used[layer, kind] = source[f"h.{i}.attn.c_attn.{kind}"].chunk(3, dim=-1)[part]
    for name, layer in names:
        for kind in ("weight", "bias"):
            if f"{name}.{kind}" in source:
                used[layer, kind] = source[f"{name}.{kind}"]
    with torch.no_grad():
        for layer in model.modules():
            for kind, parameter in layer.named_parameters(recurse=False):
                values = used.pop((layer, kind))
                transposed = isinstance(layer, nn.Linear) and kind == "weight" and layer is not model.head
                parameter.copy_((values.T if transposed else values)[:parameter.shape[0]])
    assert not used


def make_step(options, adamw):
    """A function that runs one training step and returns the loss, a tensor."""
    torch.manual_seed(123)
    model = Gpt(options.vocabulary, options.length, options.width, options.layers, options.heads, options.variant != "eager")
    with torch.no_grad():  # GPT-2's own start
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and not name.startswith("head."):
                parameter.normal_(std=0.02)
    batch = {}
    if options.load:
        load(model, f"{options.load}/model.safetensors")
        batch = json.loads(pathlib.Path(f"{options.load}/batch.json").read_text())
    model.to(options.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.1, **{adamw: True})
    ids = torch.tensor(batch["ids"]) if batch else torch.randint(options.vocabulary, (options.batch_size, options.length))
    labels = torch.tensor(batch["labels"]) if batch else torch.randint(2, (options.batch_size,))
    ids, labels = ids.to(options.device), labels.to(options.device)
    forward = model
    if options.variant.startswith("compile"):
        forward = torch.compile(model, mode="reduce-overhead" if options.variant == "compile-cudagraphs" else None)

    def step():
        if options.variant == "compile-cudagraphs":
            torch.compiler.cudagraph_mark_step_begin()
        optimizer.zero_grad()
        with torch.autocast(options.device, torch.bfloat16, enabled=options.precision == "bf16"):
            logits = forward(ids)[:, -1, :]
        loss = functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        return loss.detach().clone()

    return step


def milliseconds(step, options, warm_up, steps):
    """Milliseconds of a step, as often as they were measured, and the first and the last loss."""
    times, first, last = [], None, None
    for _ in range(max(warm_up, 1)):
        last = step().item()
        first = last if first is None else first
    block = 10 if options.device == "cuda" else 1
    for _ in range(max(steps // block, 1)):
        start = time.perf_counter()
        for _ in range(block):
            loss = step()
        last = loss.item()  # waits for the device
        times.append(1e3 * (time.perf_counter() - start) / block)
    return times, first, last


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=50257)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
    parser.add_argument("--variant", choices=["eager", "sdpa", "compile", "compile-cudagraphs"], default="eager")
    parser.add_argument("--adamw", choices=["best", "fused", "foreach"], default="best")
    parser.add_argument("--load", help="folder of bench_train_step --save: its weights and batch")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    if options.device == "cpu" and (options.precision != "fp32" or options.variant == "compile-cudagraphs"):
        parser.error(f"--precision {options.precision} --variant {options.variant} needs --device cuda")
    torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision("high" if options.precision == "tf32" else "highest")

    adamw = options.adamw
    if adamw == "best" and options.device == "cuda":
        adamw = "fused"
    if adamw == "best":
        kinds = ("fused", "foreach")
        tried = {kind: statistics.median(milliseconds(make_step(options, kind), options, 2, 5)[0]) for kind in kinds}
        adamw = min(tried, key=tried.get)
    times, first, last = milliseconds(make_step(options, adamw), options, options.warmup, options.steps)
    print(json.dumps({
        "system": "pytorch", "torch": torch.__version__, "device": options.device, "precision": options.precision, "variant": options.variant,
        "model": f"gpt {options.layers} x {options.width}, batch {options.batch_size} x {options.length}",
        "threads": options.threads, "adamw": adamw,
        "median_ms": round(statistics.median(times), 3), "min_ms": round(min(times), 3), "max_ms": round(max(times), 3),
        "steps": options.steps, "first_loss": first, "last_loss": last,
    }))


if __name__ == "__main__":
    main()
