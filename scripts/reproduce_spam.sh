#!/usr/bin/env bash
# The 19 spam experiments of the recipe on this machine: prepares the SMS Spam Collection, trains every row whose pretrained weights are
# on it, and writes the accuracies next to the published ones as Markdown.
#
# A finished row is kept in OUTPUT/rows/NUMBER.result and not trained again; delete that file to have it trained once more.
# See --help for the options.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/reproduce_common.sh"

# number|model|what is special|published training, validation and test accuracy|options of train_gpt
# The recipe multiplies the low-rank change by alpha alone, attune by alpha / rank: its alpha is the recipe's times the rank.
table_rows=(
  "1|gpt2-small (124M)|-|96.63|99.33|95.00|"
  "2|gpt2-small (124M)|first token|78.46|80.54|75.00|--trainable_token_pos first"
  "3|gpt2-small (124M)|last layer|78.65|79.87|72.00|--trainable_layers last_layer"
  "4|gpt2-small (124M)|last two blocks|98.85|98.66|98.33|--trainable_layers last_two_blocks"
  "5|gpt2-small (124M)|all layers|99.62|96.64|96.67|--trainable_layers all"
  "6|gpt2-medium (355M)|-|87.50|91.28|84.67|"
  "7|gpt2-large (774M)|-|99.52|98.66|96.67|"
  "8|gpt2-xl (1558M)|-|99.81|99.81|98.33|"
  "9|gpt2-xl (1558M)|all layers|100.00|98.66|98.67|--trainable_layers all"
  "10|gpt2-small (124M)|all layers, random weights|100.00|96.64|93.67|--weights random --trainable_layers all"
  "11|gpt2-small (124M)|LoRA, rank 16, alpha 16 (1)|100.00|97.32|96.67|--trainable_layers lora --lora_rank 16 --lora_alpha 256"
  "12|gpt2-xl (1558M)|LoRA, rank 16, alpha 8 (1)|100.00|98.66|98.33|--trainable_layers lora --lora_rank 16 --lora_alpha 128"
  "13|gpt2-small (124M)|padded to 1024 tokens|83.08|87.92|78.33|--context_length model_context_length"
  "14|gpt2-small (124M)|no padding|100.00|98.66|98.00|--no_padding --batch_size 1"
  "15|gpt2-small (124M)|no padding, 8 texts a step|99.33|98.66|98.33|--no_padding --batch_size 1 --accumulation_steps 8"
  "16|gpt2-small (124M)|last token before the padding|99.42|98.66|98.33|--trainable_token_pos flexible"
  "17|gpt2-small (124M)|no causal mask|99.23|98.66|95.33|--disable_causal_mask"
  "18|gpt2-small (124M)|ignore_index (2)|96.63|99.33|95.00|--ignore_index 50256"
  "19|gpt2-small (124M)|mean of all tokens|97.79|99.33|96.33|--average_embeddings"
)
# What every row has; a row's own options come after it.
always=(--context_length longest_training_example --num_epochs 5 --eval_freq 50 --eval_iter 5)

usage() {
  cat <<END
usage: scripts/reproduce_spam.sh [OPTION...]

Trains the 19 rows of the recipe's spam experiments and writes OUTPUT/table.md. A row without its weights is named together with
the command that fetches them; a row that fails is reported, and the others go on. Run again to continue: finished rows stay.

  --output DIR     results, logs, and the data if it has to be prepared (default: build/reproduce_spam)
  --data DIR       folder with train.csv, validation.csv and test.csv (default: prepared under OUTPUT/spam)
  --file FILE      SMSSpamCollection or its .zip on this machine, to prepare the data from (default: download it)
  --models DIR     look here before the Hugging Face cache: DIR/NAME or DIR/OWNER/NAME, as DIR/gpt2-medium
  --tokenizer DIR  GPT-2's tokenizer, for row 10 (default: that of the weights of row 1)
  --bin DIR        attune's programs (default: build/release/bin, on cuda build/cuda/bin)
  --device NAME    cpu or cuda (default: cpu)
  --precision NAME fp32 or bf16, or tf32 on cuda (default: fp32)
  --rows LIST      numbers of rows to run, separated by commas; the table shows the others if they are finished
  --config FILE    for a trial of this script: every row trains a small model of this config.json from random weights, with the
                   tokenizer of --tokenizer
  --dry_run        only say what would be run
  --help           this text

exit code: 0: every row asked for is in the table; 1: one failed or has no weights; 2: a mistake in the options
END
}

output=$root/build/reproduce_spam data='' file='' models='' tokenizer='' bin='' device=cpu precision=fp32 rows='' config='' dry_run=''
parse_options "dry_run" "output data file models tokenizer bin device precision rows config" "$@"

check_machine
[ -z "$data" ] || [ -z "$file" ] || mistake "--data and --file exclude each other"
[ -z "$file" ] || [ -f "$file" ] || mistake "--file $file: no such file"
[ -z "$config" ] || [ -f "$config" ] || mistake "--config $config: no such file"
[ -z "$config" ] || [ -n "$tokenizer" ] || mistake "--config needs --tokenizer: a model of random weights brings none"
[ -n "$rows" ] || rows=$(seq -s, ${#table_rows[@]})
list_rows
for number in "${names[@]}"; do
  [[ $number =~ ^[1-9][0-9]?$ && $number -le ${#table_rows[@]} ]] ||
    mistake "--rows: '$number' is unknown; the rows are 1 to ${#table_rows[@]}"
done

# repositories MODEL: the ids that the model's repository on the Hugging Face hub has or had; the first is the one to fetch.
repositories() { "$bin/train_gpt" --list_models | awk -F '\t' -v model="$1" '$1 == model {print $2}'; }

missing=() failed=()

# run_row NUMBER MODEL OPTION...
run_row() {
  local number=$1 model=$2 log=$output/rows/$1.log code=0 known folder accuracies
  shift 2
  if [ -s "$output/rows/$number.result" ]; then note "row $number is finished ($output/rows/$number.result)"; return; fi
  local command=("$bin/train_gpt" --data "$data" "${always[@]}" "$@" --device "$device" --precision "$precision")
  read -r -a known <<<"$(repositories "$model")"
  if [ -n "$config" ]; then
    command+=(--weights random --config "$config" --tokenizer "$tokenizer")
  elif [[ " $* " == *" --weights random "* ]] && [ -n "$tokenizer" ]; then
    command+=(--model_size "$model" --tokenizer "$tokenizer")
  elif ! folder=$(find_weights "${known[0]##*/}" "${known[@]}"); then
    note "row $number: $model has no weights here; fetch them with: hf download ${known[0]}"
    missing+=("$number|${known[0]}")
    return
  elif [[ " $* " == *" --weights random "* ]]; then
    command+=(--model_size "$model" --tokenizer "$folder")
  else
    command+=(--model_dir "$folder")
  fi
  if [ -n "$dry_run" ]; then echo "${command[*]}"; return; fi
  note "row $number: ${command[*]}"
  "${command[@]}" 2>&1 | tee "$log" || code=$?
  if [ "$code" -eq 130 ]; then note "interrupted; run again to continue" >&2; exit 130; fi
  accuracies=$(for split in Training Validation Test; do number "$log" "^$split accuracy: ([0-9.]+)%\$"; done | xargs)
  if [ "$code" -ne 0 ] || [ "$(wc -w <<<"$accuracies")" -ne 3 ]; then
    note "row $number failed (exit code $code); its output is in $log" >&2
    failed+=("$number")
    return
  fi
  echo "$accuracies $(number "$log" '^Training completed in ([0-9.]+) minutes\.$')" | tr ' ' '|' >"$output/rows/$number.partial"
  mv "$output/rows/$number.partial" "$output/rows/$number.result"
}

write_table() {
  local row number model special result entry
  echo "| row | model | | train % | validation % | test % | published train, validation, test % | minutes |"
  echo "|---:|---|---|---:|---:|---:|---|---:|"
  for row in "${table_rows[@]}"; do
    local published_train published_validation published_test train=- validation=- test=- minutes=-
    IFS='|' read -r number model special published_train published_validation published_test _ <<<"$row"
    result=$output/rows/$number.result
    [ ! -s "$result" ] || IFS='|' read -r train validation test minutes <"$result"
    echo "| $number | $model | $special | $train | $validation | $test | $published_train, $published_validation, $published_test | $minutes |"
  done
  echo
  echo "(1) The recipe also adds a low-rank change to the head, which it trains anyway; attune trains the head alone."
  echo "(2) The recipe's script reads this option and does not use it: the row is row 1."
  [ -z "$config" ] || echo "A trial: every row is a small model from random weights, not the one that is named."
  [ ${#missing[@]} -eq 0 ] || echo
  for entry in ${missing[@]+"${missing[@]}"}; do echo "- row ${entry%%|*} has no weights here: \`hf download ${entry#*|}\`"; done
  [ ${#failed[@]} -eq 0 ] || echo
  for entry in ${failed[@]+"${failed[@]}"}; do echo "- row $entry failed: rows/$entry.log"; done
}

for program in prepare_spam train_gpt; do
  [ -x "$bin/$program" ] || mistake "$bin/$program is missing: build it (cmake --preset $preset && cmake --build --preset $preset) or name --bin"
done
[ -n "$dry_run" ] || mkdir -p "$output/rows"
prepare_data spam ${file:+--file "$file"}
for row in "${table_rows[@]}"; do
  IFS='|' read -r number model _ _ _ _ options <<<"$row"
  [[ $rows == *",$number,"* ]] || continue
  # shellcheck disable=SC2086  # options are words
  run_row "$number" "$model" $options
done
[ -z "$dry_run" ] || exit 0
write_table >"$output/table.md"
echo
cat "$output/table.md"
[ ${#missing[@]} -eq 0 ] && [ ${#failed[@]} -eq 0 ] || exit 1
