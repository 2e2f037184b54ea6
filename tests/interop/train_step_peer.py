#!/usr/bin/env python3
"""bench_train_step and its peer in PyTorch compute the same step: small models of every family have equal losses in both.

Each case is run by scripts/bench_rows.py as on a GPU, in float32 on the CPU, without dropout, with texts of full length and of the reviews'
lengths. The last loss also depends on gradients and the optimizer.

usage: train_step_peer.py BENCH_ROWS BIN_FOLDER
Exits with 77, which CTest calls skipped, where torch or transformers is missing.
"""
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile

SKIPPED = 77
TOLERANCE = 1e-5  # of losses near 0.7; float32, other orders of summation

COMMON = {"vocab_size": 101, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128,
          "max_position_embeddings": 210}
MODELS = {
    "gpt2": {"model_type": "gpt2", "vocab_size": 101, "n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 200, "embd_pdrop": 0.0,
             "attn_pdrop": 0.0, "resid_pdrop": 0.0},
    "bert": {"model_type": "bert", **COMMON},
    "distilbert": {"model_type": "distilbert", "vocab_size": 101, "dim": 64, "n_layers": 2, "n_heads": 2, "hidden_dim": 128,
                   "max_position_embeddings": 200},
    "roberta": {"model_type": "roberta", **COMMON, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1},
    "modernbert": {"model_type": "modernbert", **COMMON, "num_hidden_layers": 4, "pad_token_id": 3, "local_attention": 8,
                   "classifier_pooling": "mean"},
}


def losses(bench_rows, programs, models, output, lengths):
    """(system, model) -> [first loss, last loss], of the runs without dropout."""
    command = [sys.executable, bench_rows, "--bin", programs, "--device", "cpu", "--rows", ",".join(str(model) for model in models),
               "--configurations", "fp32:eager:sdpa", "--batch_size", "4", "--length", "200", "--lengths", lengths, "--steps", "10",
               "--warmup", "1", "--together", "2", output]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    out = {}
    for path in output.glob("*.json"):
        run = json.loads(path.read_text())
        if "error" in run:
            raise RuntimeError(f"{path.stem}: {run['error']}")
        if run["model"].endswith("no dropout") or run["model"].startswith(("gpt2", "modernbert")):  # these two have none
            out[run["system"], run["model"].split(",")[0]] = [run["first_loss"], run["last_loss"]]
    return out


def main():
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        print("skipped: needs python3 with torch and transformers")
        return SKIPPED
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for model, config in MODELS.items():
            (folder / model).mkdir()
            (folder / model / "config.json").write_text(json.dumps(config))
        for lengths in ("full", "imdb"):
            found = losses(sys.argv[1], sys.argv[2], [folder / model for model in MODELS], folder / "out", lengths)
            for model in MODELS:
                ours, peer = found.get(("attune", model)), found.get(("pytorch", model))
                apart = max(abs(a - b) for a, b in zip(ours, peer)) if ours and peer else None
                moved = abs(ours[1] - ours[0]) if ours else 0
                print(f"{model}, {lengths}: ours {ours}, PyTorch {peer}")
                if apart is None or apart > TOLERANCE or moved < 100 * TOLERANCE:  # a loss that stays proves nothing
                    failures += 1
                    print(f"FAILED: {model}, {lengths}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
