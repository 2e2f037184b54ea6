#!/usr/bin/env python3
"""The peer of bench_train_step: the same training step in PyTorch and transformers, timed on the same machine; prints one JSON line.

bench_train_step --save FOLDER writes the model, its first weights and the batch; AutoModelForSequenceClassification opens that folder. So
both systems start from the same weights and see the same batch at every step: without dropout their losses must agree. A step is
zero_grad, forward, cross-entropy, backward, and fused AdamW (weight decay 0.1) on the parameters that are trained. GPT-2's head has a bias
and reads the last position, as in the recipe. Encoders get an attention mask if the texts differ in length.

Precisions: fp32 (no TF32), tf32, bf16 (autocast: float32 weights and optimizer state), bf16-weights (everything in bfloat16).
Variants:
  eager               no compiler
  compile             torch.compile
  compile-cudagraphs  torch.compile(mode="reduce-overhead"), which replays CUDA graphs
  max-autotune        torch.compile(mode="max-autotune"): the same, with products and fusions chosen by timing
Attention: eager, sdpa, flex_attention and flash_attention_2 are those of transformers; sdpa-flash and sdpa-cudnn are sdpa by that backend
alone. What a machine cannot do ends with a JSON line that has "error", and exit code 1.

On the CPU every step is timed. On a GPU blocks of ten steps are, between two synchronisations: no step waits for its loss.

usage: train_step.py --load FOLDER [--device cuda] [--precision bf16] [--variant compile] [--attention sdpa] ...
  --prepare  compiles and ends, so that a later run finds its kernels in the compiler's cache
  --wait     compiles, prints the line {"ready": true}, and times when a line comes on the standard input: several processes can
             compile at the same time and be timed in turn
"""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import statistics
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from safetensors.torch import load_file
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

MODES = {"compile": None, "compile-cudagraphs": "reduce-overhead", "max-autotune": "max-autotune"}
BACKENDS = {"sdpa-flash": SDPBackend.FLASH_ATTENTION, "sdpa-cudnn": SDPBackend.CUDNN_ATTENTION}
ATTENTION = ["eager", "sdpa", *BACKENDS, "flex_attention", "flash_attention_2"]


def load_model(options):
    """The model of the folder with exactly its weights."""
    config = transformers.AutoConfig.from_pretrained(options.load)
    if options.no_dropout:
        for name, value in vars(config).items():
            if "drop" in name and isinstance(value, float):
                setattr(config, name, 0.0)
    model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        options.load, config=config, dtype=torch.float32, attn_implementation=options.attention.split("-")[0], output_loading_info=True)
    unexpected = set(report["unexpected_keys"])
    if unexpected == {"score.bias"}:  # the class has none, the recipe's head has
        model.score.bias = torch.nn.Parameter(load_file(f"{options.load}/model.safetensors")["score.bias"])
        unexpected = set()
    if report["missing_keys"] or report["mismatched_keys"] or unexpected:
        raise ValueError(f"{options.load}: weights and model differ: {report}")
    return model


def logits_function(model):
    """(ids, mask) -> logits."""
    if model.config.model_type == "gpt2":
        return lambda ids, mask: model.score(model.transformer(input_ids=ids, use_cache=False).last_hidden_state[:, -1])
    return lambda ids, mask: model(input_ids=ids, attention_mask=mask).logits


def padded(batch, device):
    """Ids [B, T], labels [B], and the mask [B, T], or None if there is nothing to mask."""
    length, texts = batch["length"], batch["ids"]
    ids = torch.full((len(texts), length), batch["pad_id"], dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, :len(text)] = torch.tensor(text)
        mask[row, :len(text)] = 1
    masked = batch["mask"] and not bool(mask.all())
    return ids.to(device), torch.tensor(batch["labels"]).to(device), mask.to(device) if masked else None


def make_step(options, batch):
    """A function that runs one training step and returns the loss, a tensor."""
    torch.manual_seed(123)
    model = load_model(options)
    trained = set(batch["trained"])
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name in trained
        trained.discard(name)
    if trained:
        raise ValueError(f"{options.load}: the model has no {sorted(trained)}")
    model.to(options.device, torch.bfloat16 if options.precision == "bf16-weights" else torch.float32).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-5, weight_decay=0.1, fused=True)
    ids, labels, mask = padded(batch, options.device)
    forward = logits_function(model)
    if options.variant in MODES:
        forward = torch.compile(forward, mode=MODES[options.variant], dynamic=False)
    backend = BACKENDS.get(options.attention)
    graphs = options.variant in ("compile-cudagraphs", "max-autotune")

    def step():
        if graphs:
            torch.compiler.cudagraph_mark_step_begin()
        optimizer.zero_grad()
        with sdpa_kernel(backend) if backend else contextlib.nullcontext():
            with torch.autocast(options.device, torch.bfloat16, enabled=options.precision == "bf16"):
                logits = forward(ids, mask)
            loss = functional.cross_entropy(logits.float(), labels)
            loss.backward()
        optimizer.step()
        return loss.detach().clone()

    return step


def time_steps(step, options):
    """Milliseconds of a step, as often as they were measured, and the last loss."""
    times = []
    block = min(10, options.steps) if options.device == "cuda" else 1
    for _ in range(options.steps // block):
        start = time.perf_counter()
        for _ in range(block):
            loss = step()
        last = loss.item()  # waits for the device
        times.append(1e3 * (time.perf_counter() - start) / block)
    return times, last


def memory(device):
    """Maximum bytes of tensors and of what the allocator took for them; on the CPU of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    return (1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,) * 2


def measure(options, batch):
    """The figures of a run; nothing if it only prepares."""
    begin = time.perf_counter()
    step = make_step(options, batch)
    losses = [step().item() for _ in range(max(options.warmup, 1))]
    ready = {"ready": True, "seconds": round(time.perf_counter() - begin, 1)}
    if options.prepare:
        return ready
    if options.wait:
        print(json.dumps(ready), flush=True)
        if not sys.stdin.readline():
            raise RuntimeError("the standard input ended before a line came")
    times, last = time_steps(step, options)
    peak, reserved = memory(options.device)
    return {"median_ms": round(statistics.median(times), 4), "min_ms": round(min(times), 4), "max_ms": round(max(times), 4),
            "steps": options.steps, "first_loss": losses[0], "last_loss": last, "peak_bytes": peak, "reserved_bytes": reserved,
            "prepared_s": ready["seconds"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", required=True, help="folder that bench_train_step --save wrote")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16", "bf16-weights"], default="fp32")
    parser.add_argument("--variant", choices=["eager", *MODES], default="eager")
    parser.add_argument("--attention", choices=ATTENTION, default="sdpa")
    parser.add_argument("--no_dropout", action="store_true", help="without the model's dropout")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--warmup", type=int, default=5, help="steps before the counted ones, at least one")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--wait", action="store_true")
    options = parser.parse_args()
    if options.device == "cpu" and (options.precision == "tf32" or options.variant in ("compile-cudagraphs", "max-autotune")):
        parser.error(f"--precision {options.precision} --variant {options.variant} needs --device cuda")
    torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision("high" if options.precision == "tf32" else "highest")
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    batch = json.loads(pathlib.Path(options.load, "batch.json").read_text())
    description = batch["description"]
    if options.no_dropout and not description.endswith("no dropout"):
        description += ", no dropout"
    about = {"system": "pytorch", "torch": torch.__version__, "transformers": transformers.__version__, "device": options.device,
             "precision": options.precision, "variant": options.variant, "attention": options.attention, "model": description,
             "threads": options.threads}
    try:
        about.update(measure(options, batch))
    except Exception as error:  # whatever it is, the line says it
        about["error"] = f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]
    print(json.dumps(about), flush=True)
    return 1 if "error" in about else 0


if __name__ == "__main__":
    sys.exit(main())
