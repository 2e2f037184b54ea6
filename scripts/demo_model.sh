#!/usr/bin/env bash
# The demo after its build: trains a small GPT from random weights and classifies a few texts with it.
#
# It uses the real IMDb reviews from ATTUNE_DATA or from data/imdb (written by prepare_imdb); without them, or with --invented,
# it uses a small set of invented reviews and a vocabulary learned from them.
#
# usage: scripts/demo_model.sh BIN FOLDER [--invented] [train_gpt arguments]
#   BIN      folder of the programs
#   FOLDER   for the trained model
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1 out=$2
shift 2
invented=
[ "${1:-}" = --invented ] && { invented=1; shift; }
mkdir -p "$out"

real=
if [ -n "$invented" ]; then
  :
elif [ -f data/imdb/test.csv ]; then
  real=data/imdb
elif [ -n "${ATTUNE_DATA:-}" ] && [ -f "$ATTUNE_DATA/imdb/aclImdb_labeled.tar.xz" ]; then
  real=$out/imdb
  [ -f "$real/test.csv" ] || "$bin/prepare_imdb" --archive "$ATTUNE_DATA/imdb/aclImdb_labeled.tar.xz" --output "$real"
fi

if [ -n "$real" ] && [ -n "${ATTUNE_DATA:-}" ] && [ -d "$ATTUNE_DATA/tokenizers/gpt2" ]; then
  echo "demo: the real IMDb reviews, GPT-2's vocabulary"
  data=$real tokenizer=$ATTUNE_DATA/tokenizers/gpt2 vocabulary=50257
  recipe=(--average_embeddings --context_length 128 --max_steps 1500 --learning_rate 1e-3)
  samples=("A moving, beautifully acted film. I loved every minute of it."
    "Dull, badly written and far too long. A waste of time."
    "I expected to be bored, but it is one of the best films of the year.")
else
  echo "demo: invented reviews, a vocabulary learned from them"
  data=$out/invented tokenizer=$out/tokenizer vocabulary=600
  # With 1e-3 what the model makes of a negation depends on the last bits of its sums; with these two every seed tried was right.
  recipe=(--trainable_token_pos flexible --context_length longest_training_example --num_epochs 8 --learning_rate 5e-4)
  "$bin/prepare_imdb" --synthetic --output "$data"
  "$bin/tokenize" --train bpe --vocab_size $vocabulary --csv "$data/train.csv" --column text --output "$tokenizer"
  samples=("I went to see Paper Wolves. The plot was not dull at all. I would watch it again."
    "I went to see Paper Wolves. The plot was not gripping at all. I would not watch it again."
    "I went to see Nine Miles Out. Nobody could call the ending clever. You will regret the ticket.")
fi

cat >"$out/config.json" <<END
{"model_type": "gpt2", "vocab_size": $vocabulary, "n_positions": 256, "n_embd": 64, "n_layer": 2, "n_head": 2}
END
"$bin/train_gpt" --data "$data" --tokenizer "$tokenizer" --weights random --initializer gpt2 --config "$out/config.json" \
  --trainable_layers all --lr_schedule linear --warmup_steps 50 --eval_freq 300 "${recipe[@]}" \
  --output "$out/model" "$@"

printf '\nA few predictions (LABEL_1 is positive):\n'
arguments=()
for sample in "${samples[@]}"; do arguments+=(--text "$sample"); done
"$bin/predict" --model_dir "$out/model" "${arguments[@]}"
printf '\nThe model is in %s; classify more with\n  %s/predict --model_dir %s --text "..."\n' "$out/model" "$bin" "$out/model"
