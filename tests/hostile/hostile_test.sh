#!/usr/bin/env bash
# Damaged and hostile inputs, odd flags and paths, and limits of the process, by class. Each must end with exit code 0, or with 1 or 2 and
# exactly one line on standard error, in 20 seconds. Prints for each class how many were tried and how many survived.
#
# usage: hostile_test.sh INPUTS PROGRAMS [sanitized]
#   INPUTS: mutations of each file; from 100 on every odd value of a flag and more limits. sanitized: the programs are built with
#   AddressSanitizer, which does not start in a limited address space.
set -euo pipefail
inputs=$1 programs=$(cd "$2" && pwd) sanitized=${3:-}
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
apps=$(cd "$(dirname "$0")/../apps" && pwd)
. "$apps/checks.sh"
for name in prepare_imdb prepare_spam tokenize train_gpt train_bert train_logreg predict evaluate; do printf -v "$name" '%s' "$programs/$name"; done
RANDOM=${SEED:-3}

invented_data 41 300
small_gpt2 300
small_bert "$folder/bert"
gpt=(--tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --context_length 16 --threads 1 --eval_freq 0 --no_final_evaluation
  --no_cache)
"$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 2 --output "$folder/gpt" --checkpoint_every 1 >/dev/null
"$train_logreg" --data "$folder/data" --threads 1 --output "$folder/words" >/dev/null
echo '{"text": "It never lost me.", "label": 1}' >"$folder/lines.jsonl"

declare -A tried survived
# count CLASS NAME WRONG: one more was tried; it survived if nothing is wrong.
count() {
  tried[$1]=$((${tried[$1]:-0} + 1)) checks=$((checks + 1))
  if [ -z "$3" ]; then survived[$1]=$((${survived[$1]:-0} + 1)); else fail "$1, $2: $3"; fi
}
# survives CLASS NAME PROGRAM ARGUMENT...
survives() {
  local class=$1 name=$2 code=0 wrong=""
  shift 2
  timeout 20 "$@" >"$folder/out" 2>"$folder/err" </dev/null || code=$?
  case $code in
    0) ;;
    1 | 2) [ "$(grep -vc 'warning: ' "$folder/err")" -eq 1 ] || wrong="$(wc -l <"$folder/err") lines" ;;
    *) wrong="exit code $code" ;;
  esac
  count "$class" "$name" "${wrong:+$wrong: $(head -c 300 "$folder/err")}"
}

random() { echo $(((RANDOM * 32768 + RANDOM) % $1)); }
# mutate FILE NUMBER: writes one damaged form of $folder/good over FILE: cut, a changed byte, a piece left out or twice, foreign bytes, a
# large number, deep nesting, nothing.
mutate() {
  local size at length good=$folder/good
  size=$(wc -c <"$good")
  at=$(random $((size + 1))) length=$(($(random 64) + 1))
  # Most bytes of a file of weights are numbers: half of the places are among the first bytes.
  [ "$(random 2)" -eq 0 ] || at=$((at % 600 % (size + 1)))
  case $(($2 % 8)) in
    0) head -c "$at" "$good" ;;
    1) head -c "$at" "$good"; printf "\\x$(printf '%02x' "$(random 256)")"; tail -c +$((at + 2)) "$good" ;;
    2) head -c "$at" "$good"; tail -c +$((at + length)) "$good" ;;
    3) head -c $((at + length)) "$good"; tail -c +$((at + 1)) "$good" ;;
    4) head -c "$at" "$good"; tail -c +$(($(random $((size + 1))) + 1)) "$good" | head -c "$length" || true; tail -c +$((at + 1)) "$good" ;;
    5) sed "0,/[0-9][0-9]*/s//$((1 << (RANDOM % 63)))/" "$good" ;;
    6) head -c "$at" "$good"; head -c 200000 /dev/zero | tr '\0' '['; tail -c +$((at + 1)) "$good" ;;
    7) : ;;
  esac >"$1"
}
# mutations CLASS FILE PROGRAM ARGUMENT...
mutations() {
  local class=$1 file=$2 i
  shift 2
  cp "$file" "$folder/good"
  for i in $(seq "$inputs"); do
    mutate "$file" "$i"
    survives "$class" "$file, mutation $i" "$@"
  done
  cp "$folder/good" "$file"
  survives "$class" "$file, whole" "$@"
}

mutations safetensors "$folder/gpt/model.safetensors" "$predict" --model_dir "$folder/gpt" --text x
mutations safetensors "$folder/bert/model.safetensors" "$train_bert" --data "$folder/data" --model_dir "$folder/bert" --context_length 16 --max_steps 1 \
  --eval_freq 0 --no_final_evaluation --no_cache
mutations safetensors "$folder/words/model.safetensors" "$predict" --model_dir "$folder/words" --text x
checkpoint=$folder/gpt/checkpoints/$(cat "$folder/gpt/checkpoints/latest")
mutations checkpoints "$checkpoint" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 2 --resume "$checkpoint"
mutations checkpoints "$folder/gpt/checkpoints/latest" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 2 --resume "$folder/gpt"
for file in "$folder/gpt/config.json" "$folder/words/config.json"; do mutations configs "$file" "$predict" --model_dir "$(dirname "$file")" --text x; done
mutations configs "$folder/config.json" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 1
mutations configs "$folder/bert/config.json" "$predict" --model_dir "$folder/bert" --text x
for file in "$folder"/tokenizer/* "$folder"/bert/tokenizer* "$folder"/bert/vocab.txt; do
  mutations tokenizers "$file" "$tokenize" --tokenizer "$(dirname "$file")" --text "It never lost me, [MASK]."
done
mutations tokenizers "$folder/words/vocabulary.json" "$predict" --model_dir "$folder/words" --text x
mutations csv "$folder/data/test.csv" "$predict" --model_dir "$folder/gpt" --csv "$folder/data/test.csv"
mutations csv "$folder/data/test.csv" "$evaluate" --model_dir "$folder/words" --data "$folder/data/test.csv" --mistakes 2
mutations csv "$folder/data/train.csv" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 1
mutations csv "$folder/data/validation.csv" "$train_logreg" --data "$folder/data" --threads 1
mutations jsonl "$folder/lines.jsonl" "$predict" --model_dir "$folder/gpt" --jsonl "$folder/lines.jsonl"

# odd_sizes CONFIG PROGRAM ARGUMENT...: each number of a config in turn is one whose products wrap, or no size.
odd_sizes() {
  local config=$1 size value
  shift
  cp "$config" "$folder/good"
  for size in $(grep -o '"[a-z_]*": [0-9]' "$folder/good" | cut -d '"' -f 2); do
    for value in 0 -1 1e3 4611686018427387904 9223372036854775807 18446744073709551616 null '"12"' '[]'; do
      sed "s/\"$size\": [0-9]*/\"$size\": $value/" "$folder/good" >"$config"
      survives configs "$config, $size of $value" "$@"
    done
  done
  cp "$folder/good" "$config"
}
# Of GPT-2 and BERT; those of the other families are changed by the fuzz target config.
odd_sizes "$folder/config.json" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 1
odd_sizes "$folder/bert/config.json" "$train_bert" --data "$folder/data" --model_dir "$folder/bert" --context_length 16 --max_steps 1 --eval_freq 0 \
  --no_final_evaluation --no_cache

# Flags: each odd value for each flag with a value of each program, but for --url. Some values are names of files that are then written.
cd "$folder"
odd_values=("" " " -1 1e999 nan 99999999999999999999 $'\xff' "[a, b]" "%s%n" /dev/full "$folder")
[ "$inputs" -ge 100 ] || odd_values=(nan)
# flags PROGRAM ARGUMENT...: after arguments with which the program ends soon
flags() {
  local program=$1 flag value found=0
  for flag in $("$program" --help | sed -n 's/^ *\(--[A-Za-z_]*\) .*\(TEXT\|INT\|UINT\|FLOAT\|\[PATH\]\).*/\1/p'); do
    found=$((found + 1))
    [ "$flag" != --url ] || continue  # no test uses the network
    for value in "${odd_values[@]}"; do survives flags "${program##*/} $flag '$value'" "$@" "$flag" "$value"; done
  done
  count flags "${program##*/}: flags in --help" "$([ $found -ge 3 ] || echo "only $found are found")"
}
for program in "$train_gpt" "$train_bert" "$train_logreg"; do flags "$program" --data "$folder/none"; done
flags "$predict" --model_dir "$folder/none"
flags "$evaluate" --model_dir "$folder/none" --data "$folder/none"
flags "$tokenize" --tokenizer "$folder/none"
flags "$prepare_imdb" --synthetic --output "$folder/invented"
flags "$prepare_spam" --file "$folder/none" --url "file://$folder/none" --output "$folder/spam"

# Paths: what is not there, is a folder, is no file, cannot be written, and odd names.
for path in "$folder/none" "$folder" /dev/null /dev/full /dev/zero "" "$folder/"$'a\nb' "$(printf 'x%.0s' $(seq 300))" /proc/self/mem; do
  survives paths "a CSV file '$path'" "$predict" --model_dir "$folder/gpt" --csv "$path"
  survives paths "a file of JSON lines '$path'" "$predict" --model_dir "$folder/gpt" --jsonl "$path"
  survives paths "a model '$path'" "$predict" --model_dir "$path" --text x
  survives paths "a tokenizer '$path'" "$tokenize" --tokenizer "$path" --text x
  survives paths "a data set '$path'" "$train_gpt" "${gpt[@]}" --data "$path"
  case $path in "$folder") ;; *) survives paths "an output '$path'" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 1 --output "$path" ;; esac
  survives paths "a log '$path'" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 1 --log_file "$path"
done
# Standard input that cannot be read, and output that cannot be written.
said=$("$predict" --model_dir "$folder/gpt" <"$folder" 2>&1 >"$folder/out") && code=0 || code=$?
[ "$code $said" = "1 predict: error: standard input: cannot be read: Is a directory" ] || wrong="exit code $code: $said"
count paths "a folder as standard input" "${wrong:-}"
"$predict" --model_dir "$folder/gpt" --text x >/dev/full 2>"$folder/err" && code=0 || code=$?
count paths "a full disk as standard output" "$([ "$code" -eq 1 ] || echo "exit code $code")"

# Limits of the process.
save() { "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 2 --output "$folder/limited" --checkpoint_every 1 --log_file "$folder/limited.log"; }
save >/dev/null
"$predict" --model_dir "$folder/limited" --text x --format csv >"$folder/answer"
limited() { ulimit "$1" "$2" && shift 2 && exec "$@"; }
export -f limited
# What a run under a limit has left: the model of before, or the same anew.
undamaged() {
  count limits "$1: the model" "$("$predict" --model_dir "$folder/limited" --text x --format csv 2>&1 | cmp - "$folder/answer" 2>&1 || true)"
}
for files in $(seq 8 $((inputs < 100 ? 4 : 1)) 24); do  # with fewer the libraries are not found
  survives limits "$files open files" bash -c 'limited "$@"' - -n "$files" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 2 --output "$folder/limited"
  undamaged "$files open files"
done
for blocks in 1 2 4 8 16 32; do
  survives limits "files of $blocks blocks" bash -c 'limited "$@"' - -f "$blocks" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 2 --output "$folder/limited"
  undamaged "files of $blocks blocks"
done
# From the least address space with which the program starts on.
least=20000
if [ -n "$sanitized" ]; then
  echo "limits: the address space is left out: a program with AddressSanitizer needs terabytes of it"
  spaces=
else
  until bash -c 'limited "$@"' - -v "$least" "$train_gpt" --help >/dev/null 2>&1; do
    least=$((least + 1000))
    [ $least -lt 2000000 ] || { echo "train_gpt does not start in 2 GB of address space"; exit 1; }
  done
  spaces=$(seq "$least" $((20000 / (inputs < 100 ? 10 : 40))) $((least + 20000)))
fi
for space in $spaces; do
  survives limits "an address space of $space KB" bash -c 'limited "$@"' - -v "$space" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 2 --output "$folder/limited"
  undamaged "$space KB"
  survives limits "eight threads in $space KB" bash -c 'limited "$@"' - -v "$space" "$train_gpt" "${gpt[@]}" --data "$folder/data" --max_steps 2 --threads 8
done

# One log of two runs.
(
  exec 9>>"$folder/busy.log" && flock 9
  failures=0
  program=$train_gpt expect_error "a log that another run writes" 1 "--log_file $folder/busy.log: another run is writing to this file" "${gpt[@]}" \
    --data "$folder/data" --max_steps 1 --log_file "$folder/busy.log"
  exit "$failures"
) && wrong='' || wrong="exit code $?"
count limits "a log of two runs" "$wrong"

for class in "${!tried[@]}"; do printf '%-12s tried %6d, survived %6d\n' "$class" "${tried[$class]}" "${survived[$class]:-0}"; done | sort
finish
