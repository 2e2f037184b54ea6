#!/usr/bin/env python3
"""The Hugging Face libraries and attune read each other's folders: the same text has the same logits on both sides.

Written by attune: train_bert and train_gpt train a few steps and save; AutoTokenizer and AutoModelForSequenceClassification open the
folder. Written by save_pretrained: small random models of every family, with published tokenizers; predict opens the folder, and pads it too.

usage: hf_roundtrip.py BIN_FOLDER    (where train_bert, train_gpt, predict, prepare_imdb and tokenize are)
Exits with 77, which CTest calls skipped, where torch or transformers is missing or ATTUNE_DATA names no data.
"""
import json
import pathlib
import sys
import tempfile

from support import TEXTS, TOLERANCE, encoder_cases, save_random, small_data, start, vocabulary_size

import torch
import transformers


def reference_logits(folder, texts):
    """The same by the Hugging Face libraries, each text on its own, so that no padding is involved."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, report = transformers.AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[kind]:
            raise AssertionError(f"{folder}: {kind}: {sorted(report[kind])[:5]}")
    model.float().eval()
    length = getattr(model.config, "attune_max_length", None) or model_length(model.config)
    overlap = getattr(model.config, "attune_window_overlap", None)
    windows = {} if overlap is None else {"stride": overlap, "return_overflowing_tokens": True}
    out = []
    with torch.no_grad():
        for text in texts:
            inputs = tokenizer([text], truncation=True, max_length=length, **windows)
            if not all(map(all, inputs["attention_mask"])):
                raise AssertionError(f"{folder}: the reference masks tokens of {text!r}")
            logits = torch.cat([model(input_ids=torch.tensor([ids])).logits for ids in inputs["input_ids"]])
            largest = getattr(model.config, "attune_window_pooling", None) == "max"
            out.append((logits.max(dim=0).values if largest else logits.mean(dim=0)).tolist())
    return out


def model_length(config):
    """RoBERTa's table of positions begins after the padding id."""
    return config.max_position_embeddings - (config.pad_token_id + 1 if config.model_type == "roberta" else 0)


def compare_layouts(name, folder, programs, failures):
    """Packed, as predict reads a folder of save_pretrained; in windows; and padded to the model's length with a mask."""
    compare(name, folder, programs, failures)
    path = folder / "config.json"
    whole = json.loads(path.read_text())
    for pooling in ("mean", "max"):
        windows = {"attune_max_length": 20, "attune_window_overlap": 7, "attune_window_pooling": pooling}
        path.write_text(json.dumps({**whole, **windows}))
        compare(f"{name}, {pooling} of windows", folder, programs, failures)
    path.write_text(json.dumps(whole))
    config = json.loads(path.read_text())
    config.update(attune_fill=True, attune_mask_padding=True, attune_pad_id=config["pad_token_id"])
    if config["model_type"] == "gpt2":
        config["attune_head_position"] = "flexible"  # the last token before the padding
    path.write_text(json.dumps(config))
    compare(f"{name}, padded", folder, programs, failures)


def compare(name, folder, programs, failures, texts=None):
    texts = texts or TEXTS
    ours, theirs = programs.logits(folder, texts), reference_logits(folder, texts)
    if [len(row) for row in ours] != [len(row) for row in theirs]:
        failures.append(name)
        print(f"FAILED: {name}: {len(ours)} x {len(ours[0]) if ours else 0} logits, not {len(theirs)} x {len(theirs[0])}")
        return
    worst = max(abs(a - b) for row, other in zip(ours, theirs) for a, b in zip(row, other))
    spread = max(max(column) - min(column) for column in zip(*theirs))
    print(f"{name}: largest difference {worst:.1e}, logits spread over {spread:.1e}")
    if not worst <= TOLERANCE or not spread > 100 * TOLERANCE:  # equal logits of all texts would prove nothing
        failures.append(name)
        print(f"FAILED: {name}: ours {ours}, theirs {theirs}")


def train_encoder(programs, folder, data, minilm):
    programs("train_bert", "--model_dir", minilm, "--data", data, "--context_length", 64, "--max_steps", 3, "--learning_rate", 1e-3,
             "--eval_freq", 0, "--no_final_evaluation", "--output", folder)


def train_gpt(programs, folder, data, *options):
    config = {"model_type": "gpt2", "vocab_size": 500, "n_positions": 256, "n_embd": 48, "n_layer": 2, "n_head": 3}
    work = folder.parent / f"{folder.name}-parts"
    work.mkdir()
    (work / "config.json").write_text(json.dumps(config))
    programs("tokenize", "--train", "bpe", "--vocab_size", config["vocab_size"], "--csv", data / "train.csv", "--output", work)
    programs("train_gpt", "--weights", "random", "--config", work / "config.json", "--tokenizer", work, "--data", data, "--max_steps", 8,
             "--learning_rate", 1e-2, "--trainable_layers", "all", "--eval_freq", 0, "--no_final_evaluation", "--output", folder, *options)


def written_by_attune(programs, folder, data_root, failures):
    data = small_data(programs, folder)
    train_encoder(programs, folder / "minilm", data, data_root / "models" / "all-MiniLM-L6-v2")
    compare("train_bert, MiniLM", folder / "minilm", programs, failures)
    train_gpt(programs, folder / "gpt", data, "--trainable_token_pos", "flexible", "--no_padding", "--batch_size", 1)
    compare("train_gpt, flexible, no padding", folder / "gpt", programs, failures)


# What attune does not compute it must refuse by name, never answer with other logits: (key, tokenizer, configuration class, options).
REFUSED = [
    ("sinusoidal_pos_embds", "bert-base-uncased", transformers.DistilBertConfig, {"dim": 48, "n_layers": 1, "n_heads": 3, "hidden_dim": 96}),
    ("attention_bias", "modernbert", transformers.ModernBertConfig,
     {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 80}),
]


def refused(programs, folder, data_root, failures):
    for key, tokenizer, config_class, options in REFUSED:
        source, saved = data_root / "tokenizers" / tokenizer, folder / f"refused-{key}"
        save_random(config_class(vocab_size=vocabulary_size(source), **options, **{key: True}), source, saved)
        try:
            programs.logits(saved, TEXTS)
            message = "accepted"
        except RuntimeError as error:
            message = str(error)
        if f"{key}: true is not supported" not in message:
            failures.append(key)
            print(f"FAILED: {key}: {message}")


def ends_with_padding(programs, folder, data_root, failures):
    """The one difference (docs/numerics.md): where GPT-2 has a pad_token_id, the reference takes that token at a text's end for padding.
    attune reads the text's last token, as the reference does without a pad_token_id."""
    source, saved = data_root / "tokenizers" / "gpt2", folder / "ends-with-padding"
    config = {"n_embd": 48, "n_layer": 2, "n_head": 3, "n_positions": 200}
    save_random(transformers.GPT2Config(vocab_size=vocabulary_size(source), **config), source, saved)
    texts = ["A good film.", "A good film.<|endoftext|>", "<|endoftext|>"]
    compare("GPT-2, texts that end with the padding token", saved, programs, failures, texts)
    before = programs.logits(saved, texts)
    path = saved / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pad_token_id": 50256}))
    theirs = reference_logits(saved, texts)
    if programs.logits(saved, texts) != before or abs(theirs[1][0] - before[1][0]) <= TOLERANCE:
        failures.append("pad_token_id")
        print(f"FAILED: pad_token_id: ours {programs.logits(saved, texts)} and {before} without, theirs {theirs}")


def written_by_save_pretrained(programs, folder, data_root, failures):
    for number, (name, tokenizer, config_class, options) in enumerate(encoder_cases()):
        source = data_root / "tokenizers" / tokenizer
        config = config_class(vocab_size=vocabulary_size(source), **options)
        saved = folder / f"saved{number}"
        try:
            save_random(config, source, saved)
            compare_layouts(f"save_pretrained, {name}", saved, programs, failures)
        except (RuntimeError, AssertionError) as error:
            failures.append(name)
            print(f"FAILED: save_pretrained, {name}: {error}")


def main():
    (programs, data_root), failures = start(), []
    with tempfile.TemporaryDirectory() as folder:
        written_by_attune(programs, pathlib.Path(folder), data_root, failures)
        written_by_save_pretrained(programs, pathlib.Path(folder), data_root, failures)
        ends_with_padding(programs, pathlib.Path(folder), data_root, failures)
        refused(programs, pathlib.Path(folder), data_root, failures)
    if failures:
        sys.exit(f"{len(failures)} failed: {', '.join(failures)}")
    print("every folder has the same logits on both sides")


if __name__ == "__main__":
    main()
