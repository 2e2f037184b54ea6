#!/usr/bin/env bash
# Runs of several processes on the command line: the losses and the model of one process, whatever the number; resuming with another
# number; one line for what differs between the processes; and a rank that dies or stops ends the run and loses nothing.
#
# usage: mpi_test.sh PART TRAIN_GPT TRAIN_BERT PREDICT TOKENIZE PREPARE_IMDB MPIRUN...
#   PART: all, or sample: each kind of run with one number of processes, and one rank that is killed
set -euo pipefail
part=$1 train_gpt=$2 train_bert=$3 predict=$4 tokenize=$5 prepare_imdb=$6
mpirun=("${@:7}")
program=$train_gpt
declare -A worlds=([gpt]="3 2 4" [bert]="2 3 4" [tokens]="2 4" [counts]="2 4" [few]="2 4")
killed_ranks="0 1 2"
[ "$part" = all ] || worlds=([gpt]=3 [bert]=2 [tokens]=4 [counts]=2 [few]=4) killed_ranks=0
. "$(dirname "$0")/checks.sh"
trap 'pkill -KILL -f -- "--output $folder" || true; rm -rf "$folder"' EXIT

invented_data 61 300
echo '{"model_type": "gpt2", "vocab_size": 300, "n_positions": 24, "n_embd": 16, "n_layer": 2, "n_head": 2, "embd_pdrop": 0.1, "attn_pdrop": 0.1, "resid_pdrop": 0.1}' \
  >"$folder/config.json"
small_bert "$folder/pretrained"
data=(--data "$folder/data" --context_length 16 --batch_size 12 --eval_freq 3 --eval_iter 2 --num_epochs 3 --threads 1)
gpt=("${data[@]}" --tokenizer "$folder/tokenizer" --weights random --config "$folder/config.json" --trainable_layers all --learning_rate 1e-2)
# run PROCESSES NAME COMMAND...: its log, model and output under NAME.
run() { "${mpirun[@]}" -n "$1" "${@:3}" --output "$folder/$2" --log_file "$folder/$2.log" >"$folder/$2.out" 2>"$folder/$2.err"; }
# same_log NAME OTHER: the same lines, losses and norms within 1e-5.
same_log() {
  sed 's/, *"tokens_per_second": *[^}]*//' "$folder/$1.log" | tr -c 'a-z0-9.+e\n-' ' ' >"$folder/a"
  sed 's/, *"tokens_per_second": *[^}]*//' "$folder/$2.log" | tr -c 'a-z0-9.+e\n-' ' ' >"$folder/b"
  checks=$((checks + 1))
  paste -d '\n' "$folder/a" "$folder/b" | awk 'NR % 2 {n = split($0, first, " "); next}
    { m = split($0, other, " "); if (m != n) bad = 1
      for (i = 1; i <= n; ++i) if (first[i] != other[i] && (first[i] - other[i] > 1e-5 || other[i] - first[i] > 1e-5 || first[i] + 0 == 0)) { print first[i], other[i]; bad = 1 } }
    END { exit bad }' >"$folder/difference" || fail "$1 and $2 differ: $(head -3 "$folder/difference")"
  expect "the lines of $2" "$(wc -l <"$folder/a")" "$(wc -l <"$folder/b")"
}

for kind in gpt bert; do
  command=("$train_gpt" "${gpt[@]}")
  [ $kind = gpt ] || command=("$train_bert" "${data[@]}" --model_dir "$folder/pretrained" --trainable_layers all --learning_rate 1e-2 --accumulation_steps 2)
  "${command[@]}" --output "$folder/$kind" --log_file "$folder/$kind.log" >"$folder/$kind.out"
  for world in ${worlds[$kind]}; do
    run $world "$kind$world" "${command[@]}" || fail "$kind with $world processes: $(cat "$folder/$kind$world.err")"
    same_log $kind "$kind$world"
    expect "what is printed by $world processes" "$(grep -v 'minutes\|^Saved\|^Token ids' "$folder/$kind.out")" \
      "$(grep -v 'minutes\|^Saved\|^Token ids\|^Processes: '$world'$' "$folder/$kind$world.out")"
  done
  world=${worlds[$kind]%% *}
  run $world "${kind}again" "${command[@]}"
  cmp "$folder/$kind$world/model.safetensors" "$folder/${kind}again/model.safetensors" || fail "$kind: two equal runs of $world processes differ"
done
"$predict" --model_dir "$folder/gpt3" --text "It never lost me." >/dev/null || fail "the model cannot be read"

# Batches by tokens, perhaps of fewer texts than processes; and a class that does not count.
tokens=(--data "$folder/data" --context_length 16 --eval_freq 5 --eval_iter 2 --num_epochs 1 --threads 1 --tokenizer "$folder/tokenizer" --weights random
  --config "$folder/config.json" --trainable_layers all --learning_rate 1e-2)
for kind in tokens counts few; do  # few: fewer texts than processes, also to evaluate
  case $kind in
    tokens) command=("$train_gpt" "${tokens[@]}" --batch_tokens 40 --no_padding --group_by_length --accumulation_steps 2) ;;
    counts) command=("$train_gpt" "${gpt[@]}" --class_weights 0,1) ;;
    few) command=("$train_gpt" "${tokens[@]}" --batch_tokens 90 --max_train_examples 3 --max_eval_examples 2 --trust_labels) ;;
  esac
  "${command[@]}" --output "$folder/$kind" --log_file "$folder/$kind.log" >/dev/null
  for world in ${worlds[$kind]}; do
    run $world "$kind$world" "${command[@]}" || fail "$kind with $world processes: $(cat "$folder/$kind$world.err")"
    same_log $kind "$kind$world"
  done
done

# A real model, where it is.
minilm=${ATTUNE_DATA:-}/models/all-MiniLM-L6-v2
if [ -d "$minilm" ]; then
  command=("$train_bert" "${data[@]}" --model_dir "$minilm" --max_train_examples 36 --num_epochs 1 --no_final_evaluation)
  "${command[@]}" --log_file "$folder/minilm.log" >/dev/null
  "${mpirun[@]}" -n 3 "${command[@]}" --log_file "$folder/minilm3.log" >/dev/null 2>"$folder/err" || fail "MiniLM: $(cat "$folder/err")"
  same_log minilm minilm3
fi

# With an optimizer's state that is divided: the same bits, and less of it in each process.
run 3 sharded "$train_gpt" "${gpt[@]}" --shard_optimizer || fail "a divided state: $(cat "$folder/sharded.err")"
cmp "$folder/gpt3/model.safetensors" "$folder/sharded/model.safetensors" || fail "a divided state changes the model"
expect "what a divided state prints" "$(grep -v 'minutes\|^Saved\|^Token ids' "$folder/gpt3.out")" \
  "$(grep -v 'minutes\|^Saved\|^Token ids\|^Optimizer state' "$folder/sharded.out")"
grep -qE '^Optimizer state: at most [0-9.]+ MiB of [0-9.]+ MiB in each process$' "$folder/sharded.out" || fail "the share of the state is not printed"
more=("$train_gpt" "${gpt[@]}" --trainable_layers lora --ema_decay 0.9 --keep_best loss --layer_decay 0.9 --decay_matrices_only --max_grad_norm 0.5)
run 2 lora "${more[@]}" && run 2 lora_sharded "${more[@]}" --shard_optimizer || fail "LoRA with a divided state: $(cat "$folder/lora_sharded.err")"
cmp "$folder/lora/model.safetensors" "$folder/lora_sharded/model.safetensors" || fail "a divided state changes the model of LoRA"
"$train_gpt" "${gpt[@]}" --shard_optimizer --output "$folder/one" >"$folder/one.out" || fail "one process with --shard_optimizer"
cmp "$folder/gpt/model.safetensors" "$folder/one/model.safetensors" || fail "--shard_optimizer changes the model of one process"

# Resumed with another number of processes, and with a state that is divided or not.
run 2 part "$train_gpt" "${gpt[@]}" --max_steps 7 --checkpoint_every 3 --no_final_evaluation
run 3 part "$train_gpt" "${gpt[@]}" --resume --shard_optimizer --max_steps 11 --no_final_evaluation || fail "resumed, divided: $(cat "$folder/part.err")"
run 2 part "$train_gpt" "${gpt[@]}" --resume || fail "resumed from a divided state: $(cat "$folder/part.err")"
same_log gpt part

# Each run of --seeds is shared.
command=("$train_gpt" "${gpt[@]}" --num_epochs 1)
run 2 seed2 "${command[@]}" --seed 2
run 2 seeds "${command[@]}" --seeds 1 || fail "seeds: $(cat "$folder/seeds.err")"
run 2 seeds "${command[@]}" --seeds 1,2 --resume || fail "seeds, resumed: $(cat "$folder/seeds.err")"
cmp "$folder/seed2/model.safetensors" "$folder/seeds/seed-2/model.safetensors" || fail "a run of --seeds is not the run of its seed"
expect "finished runs of --seeds" 1 "$(grep -c 'Seed 1 (1 of 2): finished before' "$folder/seeds.out")"
expect "the table of --seeds" 1 "$(grep -c '^Runs: 2 ' "$folder/seeds.out")"

# What differs between the processes.
differs() {
  local name=$1 pattern=$2
  shift 2
  if "${mpirun[@]}" "$@" >"$folder/out" 2>"$folder/err"; then fail "$name: the run succeeds"; fi
  expect "$name: lines of the error" 1 "$(grep -c 'error:' "$folder/err" || true)"
  grep -qF -- "$pattern" "$folder/err" || fail "$name: expected '$pattern', got $(cat "$folder/err")"
}
differs "seeds" "rank 1 has --seed '2', rank 0 has '1'" -n 1 "$train_gpt" "${gpt[@]}" --seed 1 : -n 1 "$train_gpt" "${gpt[@]}" --seed 2
differs "a mistake of one rank" "train_gpt: error: rank 1: there is no option --mistake" -n 1 "$train_gpt" "${gpt[@]}" : -n 1 "$train_gpt" "${gpt[@]}" --mistake
differs "a divided state" "rank 1 has --shard_optimizer 'true', rank 0 has 'false'" -n 1 "$train_gpt" "${gpt[@]}" : -n 1 "$train_gpt" "${gpt[@]}" --shard_optimizer
differs "lists of seeds" "rank 1 has --seeds '1..3', rank 0 has '1..2'" -n 1 "$train_gpt" "${gpt[@]}" --seeds 1..2 : -n 1 "$train_gpt" "${gpt[@]}" --seeds 1..3
differs "seeds of one process" "rank 1 has other options than rank 0" -n 1 "$train_gpt" "${gpt[@]}" : -n 1 "$train_gpt" "${gpt[@]}" --seeds 1..3
mkdir "$folder/other"
cp "$folder/data/"*.csv "$folder/other"
sed -i '$d' "$folder/other/train.csv"
differs "data" "the processes of a run differ: rank 2 has training examples" -n 2 "$train_gpt" "${gpt[@]}" : -n 1 "$train_gpt" "${gpt[@]}" --data "$folder/other"
differs "a batch" "a batch of 12 texts cannot be shared equally by 5 processes" -n 5 "$train_gpt" "${gpt[@]}"
differs "more processes than texts" "3 training examples do not fill one batch of 4" -n 4 "$train_gpt" "${gpt[@]}" --batch_size 4 --max_train_examples 3 --trust_labels
differs "a process that ends before it joins" "not all of the 2 processes have joined within 3 s; the run ends" \
  -n 1 "$train_gpt" "${gpt[@]}" --peer_timeout 1 : -n 1 true
differs "a mistake of all" "--num_epochs: must be" -n 3 "$train_gpt" "${gpt[@]}" --num_epochs 0
differs "numbers that are not finite" "evaluation stopped: the logits of example" -n 2 "$train_gpt" "${gpt[@]}" --learning_rate 1e30
# Inside of an accumulation group, where the weights of two checkpoints are equal.
group=("${gpt[@]}" --accumulation_steps 4 --no_final_evaluation)
for steps in 2 3; do "$train_gpt" "${group[@]}" --checkpoint_every 1 --max_steps $steps --output "$folder/group$steps" >/dev/null; done
differs "checkpoints" "rank 1 has checkpoint of --resume '" -n 1 "$train_gpt" "${group[@]}" --resume "$folder/group3" : \
  -n 1 "$train_gpt" "${group[@]}" --resume "$folder/group2"
differs "weights" "rank 1 has weights of the model '" -n 1 "$train_bert" "${data[@]}" --model_dir "$folder/bert" : -n 1 "$train_bert" "${data[@]}" --model_dir "$folder/bert2"
version=$(sed -n 's/.*"attune": "\([^"]*\)".*/\1/p' "$folder/gpt/run.json")
mkdir "$folder/newer"
cp "$(dirname "$train_gpt")/libattune_mpi.so" "$folder/newer"
sed "s/${version//./\\.}/9${version#?}/g" "$train_gpt" >"$folder/newer/train_gpt"
chmod +x "$folder/newer/train_gpt"
differs "versions" "rank 1 has version '9${version#?}', rank 0 has '$version'" -n 1 "$train_gpt" "${gpt[@]}" : -n 1 "$folder/newer/train_gpt" "${gpt[@]}"
cp "$train_gpt" "$folder/train_gpt"
# Variables of a launcher that this MPI knows nothing of, as of a shell that another one has started.
PMI_SIZE=2 PMI_RANK=0 "$train_gpt" "${gpt[@]}" >"$folder/out" 2>"$folder/err" && fail "a launcher of another MPI: the run succeeds"
grep -qF "the launcher has started 2 processes, but MPI joins 1: it may be of another MPI than" "$folder/err" || fail "a launcher of another MPI: $(cat "$folder/err")"
differs "no module" "attune needs libopenmpi-dev when it is built" -n 2 "$folder/train_gpt" "${gpt[@]}"

# A rank that is killed, or stops. begin PROCESSES NAME: a long run; returns when it trains.
begin() {
  rm -rf "$folder/$2" "$folder/$2.log"
  run "$1" "$2" "$train_gpt" "${gpt[@]}" --num_epochs 100000 --eval_freq 0 --checkpoint_every 2 --no_final_evaluation --peer_timeout 2 & launcher=$!
  until [ -s "$folder/$2.log" ] && [ -e "$folder/$2/checkpoints/latest" ]; do sleep 0.05; done
  ranks=$(pgrep -f -- "--output $folder/$2 " | while read -r id; do
    tr '\0' '\n' <"/proc/$id/environ" 2>/dev/null | sed -n "s/^OMPI_COMM_WORLD_RANK=\(.*\)/\1 $id/p"; done)
}
process() { sed -n "s/^$1 //p" <<<"$ranks"; }
for rank in $killed_ranks; do
  begin 3 killed
  sleep "0.$((RANDOM % 9))"
  kill -9 "$(process $rank)"
  begun=$SECONDS code=0
  wait $launcher || code=$?
  if [ $code -eq 0 ] || [ $((SECONDS - begun)) -gt 10 ]; then fail "rank $rank was killed: exit code $code after $((SECONDS - begun)) s"; fi
  steps=$(sed 's/step-0*//; s/\..*//' "$folder/killed/checkpoints/latest")
  run 2 killed "$train_gpt" "${gpt[@]}" --num_epochs 100000 --eval_freq 0 --checkpoint_every 2 --no_final_evaluation --max_steps $((steps + 1)) --resume ||
    fail "rank $rank was killed: the run cannot be resumed: $(cat "$folder/killed.err")"
done
# Ctrl-C saves, if the launcher leaves the time.
begin 3 left --mca odls_base_sigkill_timeout 60
pkill -INT -f "mpi(run|exec) .*--output $folder/left "
wait $launcher && fail "an interrupted run succeeds"
grep -q "^Saved a checkpoint to $folder/left/checkpoints" "$folder/left.out" || fail "Ctrl-C: nothing is saved: $(cat "$folder/left.err")"

begin 3 stopped
kill -STOP "$(process 1)"
begun=$SECONDS code=0
wait $launcher || code=$?
if [ $code -eq 0 ] || [ $((SECONDS - begun)) -gt 15 ]; then fail "rank 1 was stopped: exit code $code after $((SECONDS - begun)) s"; fi
expect "the line about it" "error: rank 1 ($(hostname), process $(process 1)) has not been heard of for 2 s; the run ends" "$(grep '^error' "$folder/stopped.err" || true)"
finish
