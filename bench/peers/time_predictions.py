#!/usr/bin/env python3
"""Times predict next to PyTorch and ONNX Runtime on the texts of a CSV file, on the CPU, and prints a Markdown table.

usage: time_predictions.py --predict build/release/bin/predict --model_dir FOLDER --csv FILE [--rows 1000] [--rounds 3]

FOLDER is an encoder that train_bert or save_pretrained wrote, with its tokenizer. All cut texts at its context length and predict in
batches of --batch_size. Peers tokenize with Hugging Face's tokenizers, pad a batch to its longest text, and see the texts as they come, or
sorted by length: the best they can do. attune and PyTorch also run in bfloat16
(--precision bf16, autocast). ONNX Runtime runs the exported model, in float32 and with weights in 8 bits (dynamic quantization).
Contenders run in turn, round after round; the time of attune is that of the whole program, the peers' is without loading. In
float32 one label in a hundred may differ, by the last bits of equal logits. CPU affinity (taskset) decides the cores of all.

Needs: pip install torch transformers onnx onnxruntime onnxscript
"""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

CORES = len(os.sched_getaffinity(0))
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = str(CORES)
os.environ["HF_HUB_OFFLINE"] = "1"

import onnxruntime
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic


class Texts:
    """Batches of ids and masks, padded to their longest text."""

    def __init__(self, folder, texts, length, batch_size):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.texts, self.length, self.batch_size = texts, length, batch_size

    def run(self, predict, by_length):
        ids = self.tokenizer(self.texts, truncation=True, max_length=self.length)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i])) if by_length else range(len(ids))
        labels = [0] * len(ids)
        for begin in range(0, len(ids), self.batch_size):
            rows = order[begin:begin + self.batch_size]
            batch = self.tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="pt")
            for row, label in zip(rows, predict(batch["input_ids"], batch["attention_mask"])):
                labels[row] = int(label)
        return labels


def torch_predictor(model, bfloat16=False):
    @torch.inference_mode()
    def predict(ids, mask):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            return model(input_ids=ids, attention_mask=mask).logits.argmax(-1)

    return predict


def onnx_predictor(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def predict(ids, mask):
        return session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0].argmax(-1)

    return predict


def export(model, path):
    ids, mask = torch.ones((2, 16), dtype=torch.int64), torch.ones((2, 16), dtype=torch.int64)
    mask[1, 10:] = 0  # a mask of ones would be left out of the exported model
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    torch.onnx.export(model, (), kwargs={"input_ids": ids, "attention_mask": mask}, f=str(path), dynamo=True,
                      dynamic_shapes={"input_ids": axes, "attention_mask": axes}, external_data=False, verbose=False)


def attune_labels(args, path, classes, precision):
    out = subprocess.run([args.predict, "--model_dir", args.model_dir, "--csv", path, "--format", "jsonl", "--batch_size", str(args.batch_size),
                          "--threads", str(CORES), "--precision", precision], check=True, capture_output=True, text=True).stdout
    return [classes[json.loads(line)["label"]] for line in out.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predict", required=True)
    parser.add_argument("--model_dir", required=True)
    parser.add_argument("--csv", required=True, help="file with a column text")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=32)
    args = parser.parse_args()

    csv.field_size_limit(1 << 30)
    with open(args.csv, newline="", encoding="utf-8") as file:
        texts = [row["text"] for row, _ in zip(csv.DictReader(file), range(args.rows))]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(args.model_dir).eval()
    classes = {str(name): index for name, index in model.config.label2id.items()}
    length = getattr(model.config, "attune_max_length", model.config.max_position_embeddings)
    batches = Texts(args.model_dir, texts, length, args.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with open(folder / "texts.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["text"], *([text] for text in texts)])
        export(model, folder / "model.onnx")
        quantize_dynamic(folder / "model.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)
        float32, int8 = onnx_predictor(folder / "model.onnx"), onnx_predictor(folder / "int8.onnx")
        contenders = {
            "attune": lambda: attune_labels(args, folder / "texts.csv", classes, "fp32"),
            "attune, bf16": lambda: attune_labels(args, folder / "texts.csv", classes, "bf16"),
            "PyTorch, as they come": lambda: batches.run(torch_predictor(model), False),
            "PyTorch, sorted": lambda: batches.run(torch_predictor(model), True),
            "PyTorch, bf16 autocast, sorted": lambda: batches.run(torch_predictor(model, True), True),
            "ONNX Runtime, sorted": lambda: batches.run(float32, True),
            "ONNX Runtime, 8 bits, sorted": lambda: batches.run(int8, True),
        }
        seconds, labels = {name: [] for name in contenders}, {}
        for _ in range(args.rounds):
            for name, run in contenders.items():
                begin = time.perf_counter()
                labels[name] = run()
                seconds[name].append(time.perf_counter() - begin)
    header = ["", "seconds, median", "attune's time by its, median [range]", "attune's in bf16 by its", "other labels than attune"]
    print(f"{len(texts)} texts cut at {length} tokens, {CORES} cores, {args.rounds} rounds; PyTorch {torch.__version__}, "
          f"ONNX Runtime {onnxruntime.__version__}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")

    def ratio(ours, theirs):
        ratios = [a / b for a, b in zip(seconds[ours], seconds[theirs])]
        return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"

    for name in contenders:
        other = sum(a != b for a, b in zip(labels["attune"], labels[name]))
        print(f"| {name} | {statistics.median(seconds[name]):.1f} | {ratio('attune', name)} | {ratio('attune, bf16', name)} | {other} |")
        if other > len(texts) / 100 and not any(short in name for short in ("8 bits", "bf16")):
            sys.exit(f"{name} gives other labels than attune")


if __name__ == "__main__":
    main()
