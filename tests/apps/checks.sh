# Sourced by the command-line tests: a temporary folder and the checks. Set `program` to the one under test.
#
#   expect NAME EXPECTED ACTUAL
#   expect_error NAME CODE PATTERN ARGUMENT...   the program's exit code, and that it prints one line which holds the pattern
#   finish                                       exits with 1 if any check has failed
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export XDG_CACHE_HOME=$folder/user_cache
failures=0

# invented_data LINES VOCABULARY: $folder/data, the first lines of each invented split, and $folder/tokenizer, trained on all of them. By
# the programs $prepare_imdb and $tokenize.
invented_data() {
  "$prepare_imdb" --synthetic --output "$folder/all" >/dev/null
  mkdir "$folder/data"
  for split in train validation test; do head -"$1" "$folder/all/$split.csv" >"$folder/data/$split.csv"; done
  "$tokenize" --train bpe --vocab_size "$2" --csv "$folder/all/train.csv" --output "$folder/tokenizer" >/dev/null
}

# small_gpt2 VOCABULARY: $folder/config.json, of a GPT-2 that trains in no time.
small_gpt2() {
  echo '{"model_type": "gpt2", "vocab_size": '"$1"', "n_positions": 24, "n_embd": 16, "n_layer": 1, "n_head": 2}' >"$folder/config.json"
}

fail() { echo "FAILED: $1"; failures=$((failures + 1)); }
expect() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }
expect_error() {
  local name=$1 code=$2 pattern=$3 actual=0
  shift 3
  "$program" "$@" >"$folder/out" 2>"$folder/err" || actual=$?
  expect "$name, exit code" "$code" "$actual"
  expect "$name, lines of the message" 1 "$(wc -l <"$folder/err")"
  grep -qF -- "$pattern" "$folder/err" || fail "$name: expected '$pattern', got '$(cat "$folder/err")'"
}
finish() {
  [ "$failures" -eq 0 ] || exit 1
  echo "every check passed"
  exit 0
}
