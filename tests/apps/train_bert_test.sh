#!/usr/bin/env bash
# train_bert on the command line: what it says about mistakes; that training on from a saved folder keeps the attention mask; and, given the
# real data, that a small encoder is trained alike packed and padded, frozen as asked, and saved as a folder of the ecosystem.
#
# usage: train_bert_test.sh mistakes|onward|training TRAIN_BERT PREPARE_IMDB TOKENIZE PREDICT
set -euo pipefail
part=$1 train_bert=$2 prepare_imdb=$3 tokenize=$4 predict=$5
program=$train_bert
. "$(dirname "$0")/checks.sh"

"$prepare_imdb" --synthetic --output "$folder/all" >/dev/null
mkdir "$folder/data"
for split in train validation test; do head -41 "$folder/all/$split.csv" >"$folder/data/$split.csv"; done

if [ "$part" = mistakes ]; then
  export HF_HUB_CACHE=$folder/cache
  expect_error "a model of another architecture" 2 "{distilbert,bert,roberta,modernbert-base,modernbert-large}" --model deberta-v3-base
  expect_error "a mask that is neither" 2 "--use_attention_mask" --use_attention_mask maybe
  expect_error "layers that are none" 2 "--trainable_layers 'middle'" --trainable_layers middle
  expect_error "a model and a folder" 2 "--model_dir excludes --model" --model distilbert --model_dir "$folder/t5" --data "$folder/data"
  expect_error "an empty cache" 1 "hf download FacebookAI/roberta-large" --model roberta --data "$folder/data"
  mkdir "$folder/t5"
  expect_error "a folder without files" 1 "$folder/t5" --model_dir "$folder/t5" --data "$folder/data"
  # A cache in the hub's layout is found by the id the recipe uses and by today's.
  for repository in models--bert-base-uncased models--google-bert--bert-base-uncased; do
    snapshot=$folder/cache/$repository/snapshots/abc
    mkdir -p "$snapshot" "$folder/cache/$repository/refs"
    printf 'abc\n' >"$folder/cache/$repository/refs/main"
    echo '{"model_type": "t5"}' >"$snapshot/config.json"
    printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n' >"$snapshot/vocab.txt"
    expect_error "a folder of another architecture" 1 "the architecture 't5' is not supported (gpt2, bert, distilbert, roberta, modernbert are)" \
      --model bert --data "$folder/data"
    rm -r "$folder/cache/$repository"
  done
elif [ "$part" = onward ]; then
  small_bert "$folder/bert"
  common=(--data "$folder/data" --context_length 24 --threads 1 --eval_freq 0 --no_final_evaluation)
  train() { "$train_bert" "${common[@]}" --output "$folder/$1" "${@:2}" >"$folder/out"; }
  onward() { train "$1" --model_dir "$folder/$2" --max_steps 1 --learning_rate 1e-30 "${@:3}"; grep '^Taken from' "$folder/out" || true; }
  ask() { "$predict" --model_dir "$folder/$1" --csv "$folder/data/test.csv" --format csv 2>/dev/null; }
  # A tokenizer that does not fit is found before data are read.
  "$tokenize" --train wordpiece --vocab_size 300 --csv "$folder/all/train.csv" --output "$folder/large" >/dev/null
  expect_error "a tokenizer of more tokens" 1 "the tokenizer has 300 tokens, but the model's vocabulary only 200" \
    "${common[@]}" --model_dir "$folder/bert" --tokenizer "$folder/large" --data "$folder/none"
  train masked --model_dir "$folder/bert" --max_steps 3 --learning_rate 1e-3 --use_attention_mask True
  train unmasked --model_dir "$folder/bert" --max_steps 3 --learning_rate 1e-3 --use_attention_mask False
  grep -q '"attune_mask_padding": true' "$folder/masked/config.json" || fail "True is not true"
  expect "nothing is taken of a folder with the mask" "" "$(onward masked2 masked)"
  ask masked | cmp - <(ask masked2) || fail "training on from a folder with the mask is another model"
  expect "a mask that is taken" "Taken from $folder/unmasked: --use_attention_mask false" "$(onward unmasked2 unmasked)"
  ask unmasked | cmp - <(ask unmasked2) || fail "training on from a folder forgets the mask"
  expect "a mask that is taken, in run.json" 1 "$(grep -c '"--use_attention_mask": "false"' "$folder/unmasked2/run.json")"
  expect "the mask of a folder, in run.json" 1 "$(grep -c '"--use_attention_mask": "true"' "$folder/masked2/run.json")"
  # A repeated run takes it from its own folder.
  repeat() { train "$1" --options "$folder/masked2/run.json" --model_dir "$folder/$2" --max_steps 1; grep '^Taken from' "$folder/out" || true; }
  expect "options of a run with the mask, of a folder without it" "Taken from $folder/unmasked: --use_attention_mask false" "$(repeat unmasked4 unmasked)"
  expect "options of a run with the mask, of a folder with it" "" "$(repeat masked4 masked)"
  expect "a mask that is given is not taken" "" "$(onward unmasked3 unmasked --use_attention_mask false)"
  cmp "$folder/unmasked2/model.safetensors" "$folder/unmasked3/model.safetensors" || fail "the flag that was taken gives another model"
  expect "a new head may have another mask" "" "$(onward moved unmasked --use_attention_mask true --fresh_head)"
  grep -q '"attune_mask_padding": true' "$folder/moved/config.json" || fail "a new head does not have the mask that is given"
  expect_error "a mask that a head did not have" 2 "--use_attention_mask true: the head of $folder/unmasked was trained without the attention mask; --fresh_head makes a new one" \
    "${common[@]}" --model_dir "$folder/unmasked" --use_attention_mask true
  expect_error "a mask that a head had" 2 "--use_attention_mask false: the head of $folder/masked was trained with the attention mask; --fresh_head makes a new one" \
    "${common[@]}" --model_dir "$folder/masked" --use_attention_mask FALSE
  # A run goes on whether the flag is given or not, and in any case, if the mask is the same.
  for given in True none; do
    mask=(--use_attention_mask $given)
    [ $given = none ] && mask=()
    train "cut-$given" --model_dir "$folder/bert" --max_steps 2 --checkpoint_every 2 "${mask[@]}"
    for resumed in "" "--use_attention_mask=true" "--use_attention_mask=TRUE"; do
      train goes_on --model_dir "$folder/bert" --max_steps 3 --resume "$folder/cut-$given" $resumed || fail "a run with the mask '$given' does not go on with '$resumed'"
    done
    expect_error "--resume with another mask" 1 "the config and input form of the model are not those that the checkpoint was made with" \
      "${common[@]}" --model_dir "$folder/bert" --max_steps 3 --resume "$folder/cut-$given" --use_attention_mask false
  done
else
  [ -n "${ATTUNE_DATA:-}" ] || { echo "needs the real data: set ATTUNE_DATA to its folder"; exit 77; }
  model=$ATTUNE_DATA/models/all-MiniLM-L6-v2
  train() { "$train_bert" --model_dir "$model" --data "$folder/data" --context_length 48 --eval_freq 0 "$@"; }
  losses() { sed -n 's/.*"loss": *\([^,]*\), *"learning_rate".*/\1/p' "$1"; }

  train --max_steps 4 --log_file "$folder/packed" --output "$folder/saved" >"$folder/out"
  train --max_steps 4 --log_file "$folder/padded" --no_packing >/dev/null
  train --max_steps 4 --log_file "$folder/unmasked" --use_attention_mask FALSE >/dev/null
  expect "steps" 4 "$(losses "$folder/packed" | wc -l)"
  # Dropout included, packed and padded runs are one run; without a mask it is another.
  apart() { paste <(losses "$1") <(losses "$2") | awk '{d = $1 - $2; if (d < 0) d = -d; if (d > m) m = d} END {print (m > 2e-6) ? "differ" : "agree"}'; }
  expect "packed and padded losses" agree "$(apart "$folder/packed" "$folder/padded")"
  expect "masked and unmasked losses" differ "$(apart "$folder/packed" "$folder/unmasked")"
  expect "trained parameters" "Parameters: 22713986, of which trained: 22713986" "$(grep ^Parameters: "$folder/out")"
  grep -q BertForSequenceClassification "$folder/saved/config.json" || fail "config.json names no class"
  for file in model.safetensors tokenizer.json; do [ -s "$folder/saved/$file" ] || fail "$file was not saved"; done
  # A saved folder is a model to start from; labels may be names, and more than before.
  sed -i '2,11s/[01]$/mixed/; s/0$/bad/; s/1$/good/' "$folder"/data/*.csv
  model=$folder/saved
  out=$(train --max_steps 1 --trainable_layers last_layer --output "$folder/named")
  expect "trained parameters of the last layer" "Parameters: 22714371, of which trained: 1155" "$(grep ^Parameters: <<<"$out")"
  expect "class names" '"0": "bad", "1": "good", "2": "mixed"' "$(grep -A3 id2label "$folder/named/config.json" | tail -3 | xargs -d '\n' | sed 's/  */ /g; s/^ //')"
  expect_error "more tokens than positions" 2 "the model has only 512 positions" --model_dir "$model" --data "$folder/data" --context_length 513
fi

finish
