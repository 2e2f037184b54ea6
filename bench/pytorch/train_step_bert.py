#!/usr/bin/env python3
"""The peer of a train_bert step: one training step of a BERT folder in PyTorch and transformers, on the same cores; prints one JSON line.

Batches of texts filled up to the context length and masked, dropout as the checkpoint has it, fused AdamW on every parameter. A step is
zero_grad, forward, backward, optimizer.

usage: train_step_bert.py --model_dir DIR [--batch_size 8] [--length 128] [--threads N] [--steps 20] [--warmup 3]
"""

import argparse
import json
import statistics
import time

import torch
from torch.nn import functional
from transformers import AutoModelForSequenceClassification


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(123)
    model = AutoModelForSequenceClassification.from_pretrained(args.model_dir, num_labels=2, dtype=torch.float32)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.1, fused=True)
    ids = torch.randint(1000, model.config.vocab_size, (args.batch_size, args.length))
    labels = torch.randint(0, 2, (args.batch_size,))
    mask = torch.ones_like(ids)
    times = []
    for step in range(args.warmup + args.steps):
        begin = time.perf_counter()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(ids, attention_mask=mask).logits, labels)
        loss.backward()
        optimizer.step()
        if step >= args.warmup:
            times.append(1000 * (time.perf_counter() - begin))
    print(json.dumps({"system": "pytorch", "torch": torch.__version__, "threads": args.threads,
                      "median_ms": round(statistics.median(times), 2), "min_ms": round(min(times), 2)}))


if __name__ == "__main__":
    main()
