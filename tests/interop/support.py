"""What the interoperability tests share: attune's programs, small data, and random models of every family as save_pretrained writes them.

Importing it ends the process with 77, which CTest calls skipped, where torch or transformers is missing.
"""
import csv
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
TOLERANCE = 2e-5  # absolute; both sides compute in float32

os.environ["HF_HUB_OFFLINE"] = "1"
try:
    import torch
    import transformers
except ImportError as error:
    print(f"skipped: needs python3 with torch and transformers ({error})")
    sys.exit(SKIPPED)

# Lengths from one token to some hundred: ModernBERT's windows (32 tokens below) are shorter than the longest.
TEXTS = [
    "Good.",
    "It never lost me, and I left the cinema smiling.",
    'Dull, "badly" written; and far too long<br /><br />A waste of time.',
    "Na\u00efve caf\u00e9 \u2014 \u4e2d\u6587 and an emoji \U0001f600, numbers 3.14159 and   three spaces.",
    # Special tokens of every family inside texts are tokens like others: the reference's mask is 1 there.
    "Good [PAD] bad [SEP] so so <pad> fine </s> dull <|endoftext|> great [MASK] and <mask> the end.",
    "[PAD] <pad> begins with padding and ends with it [PAD] <pad>",
    "A long one: " + "the plot was gripping, the ending was clever, and nobody could call it dull. " * 6,
]


class Programs:
    """Runs attune's programs; a failure shows what the program said."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def __call__(self, name, *arguments):
        command = [str(self.folder / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\nended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def logits(self, folder, texts):
        """[[logit of each class] of each text] as predict prints them, all texts in one batch."""
        with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as table:
            writer = csv.writer(table, lineterminator="\n")
            writer.writerows([["text"], *([text] for text in texts)])
            table.flush()
            rows = csv.DictReader(io.StringIO(self("predict", "--model_dir", folder, "--csv", table.name, "--format", "csv")))
            return [[float(value) for name, value in row.items() if name.startswith("logit_")] for row in rows]


def start():
    """(Programs, folder of ATTUNE_DATA) for the test's command line; skipped where ATTUNE_DATA names none."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {pathlib.Path(sys.argv[0]).name} BIN_FOLDER")
    if not os.environ.get("ATTUNE_DATA"):
        print("skipped: needs models and tokenizers: set ATTUNE_DATA to their folder")
        sys.exit(SKIPPED)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(2)
    return Programs(sys.argv[1]), pathlib.Path(os.environ["ATTUNE_DATA"])


def small_data(programs, folder):
    """A few dozen invented reviews in each split."""
    programs("prepare_imdb", "--synthetic", "--output", folder / "all")
    (folder / "data").mkdir()
    for split in ("train", "validation", "test"):
        lines = (folder / "all" / f"{split}.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "data" / f"{split}.csv").write_text("".join(lines[:33]), encoding="utf-8")
    return folder / "data"


def vocabulary_size(tokenizer_folder):
    """One more than the largest id, so that every id has its row."""
    document = json.loads((tokenizer_folder / "tokenizer.json").read_text(encoding="utf-8"))
    return 1 + max([*document["model"]["vocab"].values(), *(token["id"] for token in document["added_tokens"])])


def save_random(config, tokenizer_folder, folder):
    """A random model of this configuration as save_pretrained writes it. Weights are larger than a fresh model's, biases and norms
    are not zero and one: no tensor may be left out unnoticed."""
    torch.manual_seed(7)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 0.3 if parameter.dim() == 1 or "score" in name or "classifier" in name else 0.1
            parameter.add_(scale * torch.randn_like(parameter))
    model.save_pretrained(folder)
    for file in tokenizer_folder.iterdir():
        shutil.copy(file, folder)


def encoder_cases():
    """(name, tokenizer, configuration class, options)"""
    bert = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96, "max_position_embeddings": 200}
    roberta = {**bert, "max_position_embeddings": 202, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1,
               "layer_norm_eps": 1e-5}
    modern = {"hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 80, "max_position_embeddings": 200,
              "local_attention": 32}
    distil = {"dim": 48, "n_layers": 2, "n_heads": 3, "hidden_dim": 96, "max_position_embeddings": 200}
    gpt = {"n_embd": 48, "n_layer": 2, "n_head": 3, "n_positions": 200, "pad_token_id": 50256}
    return [
        ("BERT", "bert-base-uncased", transformers.BertConfig, bert),
        ("BERT, three labels, relu", "bert-base-uncased", transformers.BertConfig, {**bert, "num_labels": 3, "hidden_act": "relu"}),
        ("DistilBERT", "bert-base-uncased", transformers.DistilBertConfig, distil),
        ("RoBERTa", "roberta", transformers.RobertaConfig, roberta),
        ("ModernBERT, mean", "modernbert", transformers.ModernBertConfig, {**modern, "classifier_pooling": "mean"}),
        ("ModernBERT, cls, four labels", "modernbert", transformers.ModernBertConfig, {**modern, "classifier_pooling": "cls", "num_labels": 4}),
        ("GPT-2", "gpt2", transformers.GPT2Config, gpt),
    ]
