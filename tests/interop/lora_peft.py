#!/usr/bin/env python3
"""The folder that --save_adapter writes loads in the peft library on top of its base model, with the logits of the merged model.

Small random models of every family are written by save_pretrained; train_bert and train_gpt train low-rank changes of all linear layers and
of attention alone.

usage: lora_peft.py BIN_FOLDER    (where train_bert, train_gpt, predict and prepare_imdb are)
Exits with 77, which CTest calls skipped, where torch, transformers or peft is missing or ATTUNE_DATA names no data.
"""
import pathlib
import sys
import tempfile

from support import SKIPPED, TEXTS, TOLERANCE, encoder_cases, save_random, small_data, start, vocabulary_size

import torch
import transformers

try:
    import peft
except ImportError as error:
    print(f"skipped: needs python3 with peft ({error})")
    sys.exit(SKIPPED)


def adapted_logits(base, adapter, labels, length):
    """[[logit of each class] of each text, cut at `length`] of the base model with the adapter, each text on its own."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels, ignore_mismatched_sizes=True)
    model = peft.PeftModel.from_pretrained(model.float(), adapter).eval()
    out = []
    with torch.no_grad():
        for text in TEXTS:
            ids = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")["input_ids"]
            out.append(model(input_ids=ids).logits[0].tolist())
    return out


def check(programs, folder, data, name, base, targets, failures):
    merged, adapter = folder / f"{base.name}-{targets}", folder / f"{base.name}-{targets}-adapter"
    program = "train_gpt" if name == "GPT-2" else "train_bert"
    # Unpadded, GPT-2 reads texts up to the length of the model.
    options = ["--trainable_token_pos", "flexible", "--no_padding", "--batch_size", 1] if name == "GPT-2" else []
    programs(program, "--model_dir", base, "--data", data, "--context_length", 64, "--max_steps", 6, "--learning_rate", 3e-2, "--eval_freq", 0,
             "--no_final_evaluation", "--trainable_layers", "lora", "--lora_rank", 4, "--lora_targets", targets, "--output", merged,
             "--save_adapter", adapter, *options)
    ours, theirs = programs.logits(merged, TEXTS), adapted_logits(base, adapter, 2, 200 if name == "GPT-2" else 64)
    before = programs.logits(base, TEXTS)
    worst = max(abs(a - b) for row, other in zip(ours, theirs) for a, b in zip(row, other))
    moved = max(abs(a - b) for row, other in zip(ours, before) for a, b in zip(row, other))
    print(f"{name}, {targets}: largest difference {worst:.1e}; training moved the logits by {moved:.1e}")
    if not worst <= TOLERANCE or not moved > 100 * TOLERANCE:
        failures.append(f"{name}, {targets}")


def main():
    (programs, data_root), failures = start(), []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = small_data(programs, folder)
        for number, (family, tokenizer, config_class, options) in enumerate(encoder_cases()):
            if options.get("num_labels", 2) != 2:
                continue
            source, base = data_root / "tokenizers" / tokenizer, folder / f"base{number}"
            save_random(config_class(vocab_size=vocabulary_size(source), **options), source, base)
            for targets in ("all", "attention", "fc_out"):
                check(programs, folder, data, family, base, targets, failures)
    if failures:
        sys.exit(f"{len(failures)} failed: {'; '.join(failures)}")
    print("every adapter has the logits of its merged model")


if __name__ == "__main__":
    main()
