#!/usr/bin/env bash
# scripts/reproduce.sh with made-up programs: what it runs, and its mistakes in options.
#
# usage: reproduce_test.sh REPRODUCE
set -euo pipefail
program=$1
. "$(dirname "$0")/../apps/checks.sh"

mkdir -p "$folder/bin" "$folder/data" "$folder/models/bert"
for name in prepare_imdb train_logreg train_gpt train_bert; do
  printf '#!/bin/sh\n' >"$folder/bin/$name"
  chmod +x "$folder/bin/$name"
done
for split in train validation test; do echo text,label >"$folder/data/$split.csv"; done
for name in config.json model.safetensors; do echo {} >"$folder/models/bert/$name"; done
common=(--bin "$folder/bin" --data "$folder/data" --models "$folder/models" --output "$folder/out" --dry_run --rows bert)

# would_run DEVICE PRECISION: the command that it would run.
would_run() { "$program" "${common[@]}" --device "$1" --precision "$2" || fail "$1 $2"; }
for choice in "cpu fp32" "cpu bf16" "cuda fp32" "cuda tf32" "cuda bf16"; do
  read -r device precision <<<"$choice"
  expect "$choice" "$folder/bin/train_bert --model_dir $folder/models/bert --data $folder/data --trainable_layers all --num_epochs 1 --device $device --precision $precision" \
    "$(would_run "$device" "$precision")"
done
expect_error "TF32 on the CPU" 2 "--precision tf32 needs --device cuda" "${common[@]}" --precision tf32
expect_error "an unknown precision" 2 "--precision 'fp8' is unknown; the precisions are fp32, tf32 and bf16" "${common[@]}" --precision fp8
expect_error "an unknown device" 2 "--device 'tpu' is unknown" "${common[@]}" --device tpu
expect_error "an unknown option" 2 "unknown option '--mistake'" --mistake x
expect_error "an option of the other script" 2 "unknown option '--file'" --file x
expect_error "two options in one" 2 "unknown option '--data models'" "--data models" x
expect_error "a missing value" 2 "--rows needs a value" --rows
expect_error "a value that is an option" 2 "--rows needs a value, and '--save' is an option" --rows --save
expect_error "no row" 2 "--rows names no row" "${common[@]}" --rows ' ,'
expect "rows after blanks" 2 "$("$program" "${common[@]}" --rows $'bert \tlogreg' | wc -l)"
expect_error "an empty value" 2 "--output needs a value" --output ""
"$program" --save --help | grep -q '^usage: ' || fail "--help after another option"
finish
