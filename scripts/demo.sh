#!/usr/bin/env bash
# Installs what is missing, builds, and trains a small GPT from random weights; ends with its accuracies and a few predictions.
#
# Real IMDb reviews where ATTUNE_DATA names them or prepare_imdb has left them in data/imdb; otherwise a small set of invented ones
# and a vocabulary learned from them.
#
# usage: scripts/demo.sh [FOLDER]      FOLDER for the trained model (default build/demo)
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/demo}

scripts/setup.sh
cmake --preset release -DATTUNE_BUILD_TESTS=OFF -DATTUNE_BUILD_BENCH=OFF -B build/demo-release >/dev/null
cmake --build build/demo-release --parallel "$(nproc)" --target prepare_imdb tokenize train_gpt predict
bin=build/demo-release/bin
mkdir -p "$out"

real=
if [ -f data/imdb/test.csv ]; then
  real=data/imdb
elif [ -n "${ATTUNE_DATA:-}" ] && [ -f "$ATTUNE_DATA/imdb/aclImdb_labeled.tar.xz" ]; then
  real=$out/imdb
  [ -f "$real/test.csv" ] || "$bin/prepare_imdb" --archive "$ATTUNE_DATA/imdb/aclImdb_labeled.tar.xz" --output "$real"
fi

if [ -n "$real" ] && [ -n "${ATTUNE_DATA:-}" ] && [ -d "$ATTUNE_DATA/tokenizers/gpt2" ]; then
  echo "demo: the real IMDb reviews, GPT-2's vocabulary"
  data=$real tokenizer=$ATTUNE_DATA/tokenizers/gpt2 vocabulary=50257 steps=1500 epochs=1 position=(--average_embeddings)
  samples=("A moving, beautifully acted film. I loved every minute of it."
    "Dull, badly written and far too long. A waste of time."
    "I expected to be bored, but it is one of the best films of the year.")
else
  echo "demo: invented reviews, a vocabulary learned from them"
  data=$out/invented tokenizer=$out/tokenizer vocabulary=600 steps=0 epochs=4 position=(--trainable_token_pos flexible)
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
  --context_length 128 "${position[@]}" --trainable_layers all --learning_rate 1e-3 --lr_schedule linear --warmup_steps 50 \
  --num_epochs $epochs --max_steps $steps --eval_freq 300 --output "$out/model"

printf '\nA few predictions (LABEL_1 is positive):\n'
arguments=()
for sample in "${samples[@]}"; do arguments+=(--text "$sample"); done
"$bin/predict" --model_dir "$out/model" "${arguments[@]}"
printf '\nThe model is in %s; classify more with\n  %s/predict --model_dir %s --text "..."\n' "$out/model" "$bin" "$out/model"
