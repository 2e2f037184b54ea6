#!/usr/bin/env bash
# The recipe's table on this machine: prepares the IMDb reviews, trains every row whose pretrained weights are on it, and writes
# the accuracies next to the published ones as Markdown.
#
# A finished row is kept in OUTPUT/rows/NAME.result and not trained again; delete that file to have it trained once more.
# See --help for the options.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/reproduce_common.sh"

# name|title in the table|published test accuracy|layers trained
table_rows=(
  "logreg|logistic regression|88.85|-"
  "gpt2|GPT-2|91.88|all"
  "bert|BERT|90.89|all"
  "distilbert|DistilBERT|91.40|all"
  "roberta|RoBERTa-large, last_block|92.95|last_block"
  "modernbert-base|ModernBERT-base|93.79|all"
  "modernbert-large|ModernBERT-large|95.07|all"
)

usage() {
  cat <<END
usage: scripts/reproduce.sh [OPTION...]

Trains the rows of the recipe's table and writes OUTPUT/table.md. A row without its weights is named together with the
command that fetches them; a row that fails is reported, and the others go on. Run again to continue: finished rows stay.

  --output DIR     results, logs, trained models, and the data if it has to be prepared (default: build/reproduce)
  --data DIR       folder with train.csv, validation.csv and test.csv (default: prepared under OUTPUT/imdb)
  --archive FILE   aclImdb_v1.tar.gz on this machine, to prepare the data from (default: download it)
  --models DIR     look here before the Hugging Face cache: DIR/ROW (e.g. DIR/bert), DIR/NAME or DIR/OWNER/NAME
  --bin DIR        attune's programs (default: build/release/bin, on cuda build/cuda/bin)
  --device NAME    cpu or cuda (default: cpu)
  --precision NAME fp32 or bf16, or tf32 on cuda (default: fp32)
  --rows LIST      rows to run, separated by commas; the table shows the others if they are finished
  --save           keep the trained models too, in OUTPUT/models/ROW
  --dry_run        only say what would be run
  --help           this text

rows: $(row_names)
exit code: 0: every row asked for is in the table; 1: one failed or has no weights; 2: a mistake in the options
END
}

row_names() {
  local row names=
  for row in "${table_rows[@]}"; do names+=${names:+, }${row%%|*}; done
  echo "$names"
}

output=$root/build/reproduce data='' archive='' models='' bin='' device=cpu precision=fp32 rows='' save='' dry_run=''
parse_options "save dry_run" "output data archive models bin device precision rows" "$@"

check_machine
[ -z "$data" ] || [ -z "$archive" ] || mistake "--data and --archive exclude each other"
[ -z "$archive" ] || [ -f "$archive" ] || mistake "--archive $archive: no such file"
[ -n "$rows" ] || rows=$(row_names)
list_rows
for name in "${names[@]}"; do
  [[ ", $(row_names)," == *" $name,"* ]] || mistake "--rows: '$name' is unknown; the rows are $(row_names)"
done

# repositories NAME: the ids that the row's repository on the Hugging Face hub has or had; the first is the one to fetch.
repositories() {
  local program=train_bert model=$1
  if [ "$1" = gpt2 ]; then program=train_gpt model="gpt2-small (124M)"; fi
  [ "$1" = logreg ] || "$bin/$program" --list_models | awk -F '\t' -v model="$model" '$1 == model {print $2}'
}

# keep_result NAME LOG SECONDS: writes the row's result only when the log holds all of it.
keep_result() {
  local name=$1 log=$2 on="$device $precision" minutes train validation test parameters
  train=$(number "$log" '^Training accuracy: ([0-9.]+)%$')
  validation=$(number "$log" '^Validation accuracy: ([0-9.]+)%$')
  test=$(number "$log" '^Test accuracy: ([0-9.]+)%$')
  [ "$name" != logreg ] || on="cpu float64"  # it supports no other device
  minutes=$(number "$log" '^Training completed in ([0-9.]+) minutes\.$')
  parameters=$(number "$log" '^Parameters: ([0-9]+),.*$')
  [ -n "$parameters" ] || parameters=$(number "$log" '^Vocabulary: ([0-9]+) words,.*$' | awk 'NF {print $1 + 1}')
  [ -n "$minutes" ] || minutes=$(awk -v seconds="$3" 'BEGIN {printf "%.2f", seconds / 60}')
  [ -n "$parameters" ] && [ -n "$train" ] && [ -n "$validation" ] && [ -n "$test" ] || return 1
  printf '%s|%s|%s|%s|%s|%s\n' "$parameters" "$train" "$validation" "$test" "$minutes" "$on" >"$output/rows/$name.partial"
  mv "$output/rows/$name.partial" "$output/rows/$name.result"
}

missing=() failed=()

# run_row NAME LAYERS REPOSITORY...
run_row() {
  local name=$1 layers=$2 folder log=$output/rows/$1.log begin code=0
  shift 2
  if [ -s "$output/rows/$name.result" ]; then note "$name is finished ($output/rows/$name.result)"; return; fi
  local command
  if [ "$name" = logreg ]; then
    command=("$bin/train_logreg" --data "$data" --top 0)
  else
    if ! folder=$(find_weights "$name" "$@"); then
      note "$name has no weights here; fetch them with: hf download $1"
      missing+=("$name|$1")
      return
    fi
    command=("$bin/train_bert")
    [ "$name" != gpt2 ] || command=("$bin/train_gpt")
    command+=(--model_dir "$folder" --data "$data" --trainable_layers "$layers" --num_epochs 1 --device "$device" --precision "$precision")
  fi
  [ -z "$save" ] || command+=(--output "$output/models/$name")
  if [ -n "$dry_run" ]; then echo "${command[*]}"; return; fi
  note "$name: ${command[*]}"
  begin=$SECONDS
  "${command[@]}" 2>&1 | tee "$log" || code=$?
  if [ "$code" -eq 130 ]; then note "interrupted; run again to continue" >&2; exit 130; fi
  if [ "$code" -ne 0 ] || ! keep_result "$name" "$log" $((SECONDS - begin)); then
    note "$name failed (exit code $code); its output is in $log" >&2
    failed+=("$name")
  fi
}

write_table() {
  local row name title published result parameters train validation test minutes on entry
  echo "| model | parameters | train % | validation % | test % | published test % | minutes | device |"
  echo "|---|---:|---:|---:|---:|---:|---:|---|"
  for row in "${table_rows[@]}"; do
    IFS='|' read -r name title published _ <<<"$row"
    result=$output/rows/$name.result
    if [ -s "$result" ]; then
      IFS='|' read -r parameters train validation test minutes on <"$result"
      echo "| $title | $(grouped "$parameters") | $train | $validation | $test | $published | $minutes | $on |"
    else
      echo "| $title | - | - | - | - | $published | - | - |"
    fi
  done
  [ ${#missing[@]} -eq 0 ] || echo
  for entry in ${missing[@]+"${missing[@]}"}; do echo "- ${entry%%|*} has no weights here: \`hf download ${entry#*|}\`"; done
  [ ${#failed[@]} -eq 0 ] || echo
  for entry in ${failed[@]+"${failed[@]}"}; do echo "- $entry failed: rows/$entry.log"; done
}

for program in prepare_imdb train_logreg train_gpt train_bert; do
  [ -x "$bin/$program" ] || mistake "$bin/$program is missing: build it (cmake --preset $preset && cmake --build --preset $preset) or name --bin"
done
[ -n "$dry_run" ] || mkdir -p "$output/rows"
prepare_data imdb ${archive:+--archive "$archive"}
for row in "${table_rows[@]}"; do
  IFS='|' read -r name _ _ layers <<<"$row"
  [[ $rows == *",$name,"* ]] || continue
  # shellcheck disable=SC2046  # repositories are words
  run_row "$name" "$layers" $(repositories "$name")
done
[ -z "$dry_run" ] || exit 0
write_table >"$output/table.md"
echo
cat "$output/table.md"
[ ${#missing[@]} -eq 0 ] && [ ${#failed[@]} -eq 0 ] || exit 1
