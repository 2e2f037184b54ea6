# Sourced by the command-line tests: a temporary folder and the checks. Set `program` to the one under test.
#
#   expect NAME EXPECTED ACTUAL
#   expect_error NAME CODE PATTERN ARGUMENT...   the program's exit code, and that it prints one line which holds the pattern; a warning of
#                                                repeated texts, which small data often has, may come before it
#   without_speeds LOG                           prints a run's log without its speeds, which no two runs share
#   finish                                       exits with 1 if any check has failed
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export XDG_CACHE_HOME=$folder/user_cache
failures=0 checks=0

# invented_data LINES VOCABULARY: $folder/data, the first lines of each invented split whose texts are new, and $folder/tokenizer, trained on all of them. By
# the programs $prepare_imdb and $tokenize.
invented_data() {
  "$prepare_imdb" --synthetic --output "$folder/all" >/dev/null
  mkdir "$folder/data"
  for split in train validation test; do
    sed 's/,[01]$//' "$folder/all/$split.csv" | paste -d '\t' - "$folder/all/$split.csv" | sed "s/^/$split\t/"
  done | awk -F '\t' -v lines="$1" -v to="$folder/data/" '$2 == "text,label" {n = 0} n < lines && (n == 0 || !seen[$2]++) {n++; print $3 >(to $1 ".csv")}'
  "$tokenize" --train bpe --vocab_size "$2" --csv "$folder/all/train.csv" --output "$folder/tokenizer" >/dev/null
}

# small_gpt2 VOCABULARY: $folder/config.json, of a GPT-2 that trains in no time.
small_gpt2() {
  echo '{"model_type": "gpt2", "vocab_size": '"$1"', "n_positions": 24, "n_embd": 16, "n_layer": 1, "n_head": 2}' >"$folder/config.json"
}

# small_bert FOLDER: a BERT of one layer with a WordPiece tokenizer of 200 tokens, from the texts in $folder/all. Its weights are text: bytes
# from < to > give floats from 0.01 to 0.2.
small_bert() {
  "$tokenize" --train wordpiece --vocab_size 200 --csv "$folder/all/train.csv" --output "$1" >/dev/null
  echo '{"model_type": "bert", "vocab_size": 200, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 24, "max_position_embeddings": 24, "type_vocab_size": 2, "pad_token_id": 0}' >"$1/config.json"
  local layer=encoder.layer.0 at=0 header="" name rows columns bytes
  while read -r name rows columns; do
    bytes=$((4 * rows * columns))
    header+=", \"$name\": {\"dtype\": \"F32\", \"shape\": [$rows$([ "$columns" = 1 ] || echo ", $columns")], \"data_offsets\": [$at, $((at + bytes))]}"
    at=$((at + bytes))
  done <<EOF
embeddings.word_embeddings.weight 200 16
embeddings.position_embeddings.weight 24 16
embeddings.token_type_embeddings.weight 2 16
embeddings.LayerNorm.weight 16 1
embeddings.LayerNorm.bias 16 1
$(for part in query key value; do printf '%s\n' "$layer.attention.self.$part.weight 16 16" "$layer.attention.self.$part.bias 16 1"; done)
$layer.attention.output.dense.weight 16 16
$layer.attention.output.dense.bias 16 1
$layer.attention.output.LayerNorm.weight 16 1
$layer.attention.output.LayerNorm.bias 16 1
$layer.intermediate.dense.weight 24 16
$layer.intermediate.dense.bias 24 1
$layer.output.dense.weight 16 24
$layer.output.dense.bias 16 1
$layer.output.LayerNorm.weight 16 1
$layer.output.LayerNorm.bias 16 1
pooler.dense.weight 16 16
pooler.dense.bias 16 1
EOF
  header="{${header:2}}"
  { printf "\\x$(printf '%02x' $((${#header} % 256)))\\x$(printf '%02x' $((${#header} / 256)))\\0\\0\\0\\0\\0\\0%s" "$header"
    awk -v bytes=$at 'BEGIN { srand(3); while (bytes-- > 0) printf "%c", 60 + int(3 * rand()) }'; } >"$1/model.safetensors"
}

# task_data: $folder/data; $folder/tokenizer, trained on it by the program $tokenize; and $folder/config.json of a small GPT-2. Texts of the
# words red, big and old, each there or not, among others; the labels say which are there, their number is a score, and both red and big
# together are the rare class.
task_data() {
  awk -v folder="$folder" 'BEGIN {
    srand(7); system("mkdir " folder "/data")
    split("the a house car tree dog stands here there now", other, " ")
    for (s = 1; s <= 3; ++s) {
      file = folder "/data/" (s == 1 ? "train" : s == 2 ? "validation" : "test") ".csv"
      print "text,label,tags,red,big,old,score" > file
      for (i = 0; i < (s == 1 ? 240 : 80); ++i) {
        red = rand() < 0.3; big = rand() < 0.3; old = rand() < 0.5
        text = other[1 + int(10 * rand())] (red ? " red" : "") " " other[1 + int(10 * rand())] (big ? " big" : "") \
          (old ? " old" : "") " " other[1 + int(10 * rand())]
        tags = (red ? "red, " : "") (big ? "big, " : "") (old ? "old" : ""); sub(/, $/, "", tags)
        printf "%s,%s,\"%s\",%d,%d,%d,%g\n", text, red && big ? "rare" : "common", tags, red, big, old, red + 2 * big - 0.5 * old > file
      }
      close(file)
    }
  }'
  "$tokenize" --train bpe --vocab_size 280 --csv "$folder/data/train.csv" --output "$folder/tokenizer" >/dev/null
  echo '{"model_type": "gpt2", "vocab_size": 280, "n_positions": 16, "n_embd": 32, "n_layer": 1, "n_head": 2}' >"$folder/config.json"
}

# killed_after_checkpoint FOLDER COMMAND...: runs a training into the folder and kills it when it has its first checkpoint.
killed_after_checkpoint() {
  "${@:2}" >/dev/null &
  local pid=$!
  until [ -e "$1/checkpoints/latest" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
}

fail() { echo "FAILED: $1"; failures=$((failures + 1)); }
expect() { checks=$((checks + 1)); [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }
expect_error() {
  local name=$1 code=$2 pattern=$3 actual=0
  shift 3
  "$program" "$@" >"$folder/out" 2>"$folder/err" || actual=$?
  expect "$name, exit code" "$code" "$actual"
  expect "$name, lines of the message" 1 "$(grep -vc '^warning: texts that occur before: ' "$folder/err")"
  grep -qF -- "$pattern" "$folder/err" || fail "$name: expected '$pattern', got '$(cat "$folder/err")'"
}
without_speeds() { sed 's/, *"tokens_per_second": *[^}]*//' "$1"; }
finish() {
  echo "checks: tried $checks, survived $((checks - failures))"
  [ "$failures" -eq 0 ] || exit 1
  echo "every check passed"
  exit 0
}
