#!/usr/bin/env bash
# Every call of the system and every allocation of a program fails once (fault_shim.cpp), in a run of each program, or as many of them as
# POINTS says. Archives and downloads are left out. Whatever fails, a program ends with the results of an undisturbed run, or with an exit code
# of 1 and one line on standard error; what was in the output folder before or is there now can be loaded; no temporary file is left; and the
# next run ends with the undisturbed results.
#
# usage: faults_test.sh POINTS MEMORY_POINTS SHIM PROGRAMS [SCENARIO...]
#   POINTS: so many calls of each kind fail in turn, the last one in addition, 0 for all; MEMORY_POINTS: the same for allocations (the first ones and
#   others by chance). PROGRAMS is the folder of the programs.
set -euo pipefail
points=$1 memory_points=$2 shim=$3 programs=$4
shift 4
# In memory, where syncing takes no time.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "$(dirname "$0")/../apps/checks.sh"
for name in prepare_imdb prepare_spam tokenize train_gpt train_bert train_logreg predict evaluate; do printf -v "$name" '%s' "$programs/$name"; done
RANDOM=${SEED:-11}

invented_data 41 300
small_gpt2 300
small_bert "$folder/bert"
start=$folder/start work=$folder/work  # the files before a run, and during it
mkdir "$start"
cp -r "$folder/data" "$folder/tokenizer" "$folder/config.json" "$folder/bert" "$start"
for i in $(seq 30); do printf 'ham\tmessage %d\nspam\tbuy %d\n' "$i" "$i"; done >"$start/messages"
export XDG_CACHE_HOME=$work/cache

# --- The scenarios. `disturbed` stands before the program of a run. Each has a run, and a check of what a run has left: it prints what is wrong.
disturbed=()
gpt_flags=(--data "$work/data" --tokenizer "$work/tokenizer" --weights random --config "$work/config.json" --context_length 16 --threads 1
  --eval_freq 2 --eval_iter 1 --no_final_evaluation --trainable_layers all --learning_rate 1e-2 --output "$work/out" --log_file "$work/log"
  --checkpoint_every 2)
answer() { "$predict" --model_dir "$work/out" --text "It never lost me." --format csv; }
check_model() { # FIRST: whether there was a model before
  if [ -e "$work/out/config.json" ] || [ "$1" = old ]; then
    answer >"$folder/answer" 2>&1 || { echo "the saved model cannot be loaded: $(tail -1 "$folder/answer")"; return; }
    cmp -s "$folder/answer" "$folder/answer_new" || cmp -s "$folder/answer" "$folder/answer_old" || echo "the saved model is neither the old nor the new one"
  fi
}
again() { if [ -e "$work/out/checkpoints/latest" ]; then gpt_run --resume; else gpt_run; fi; }

gpt_run() { "${disturbed[@]}" "$train_gpt" "${gpt_flags[@]}" --max_steps 3 "$@"; }
gpt_check() { check_model old; }
gpt_again() { again; }
gpt_result() { cmp -s "$work/out/model.safetensors" "$folder/new.safetensors" || echo "the model is another one"; }

resume_run() { "${disturbed[@]}" "$train_gpt" "${gpt_flags[@]}" --max_steps 4 --resume "$@"; }
resume_check() { check_model old; }
resume_again() { resume_run; }
resume_result() { gpt_result; }

bert_run() {
  "${disturbed[@]}" "$train_bert" --data "$work/data" --model_dir "$work/bert" --context_length 16 --threads 1 --eval_freq 0 --max_steps 2 --learning_rate 1e-2 --output "$work/out"
}
bert_check() { check_model none; }
bert_again() { bert_run; }
bert_result() { gpt_result; }

logreg_run() { "${disturbed[@]}" "$train_logreg" --data "$work/data" --threads 1 --output "$work/out"; }
logreg_check() { check_model old; }
logreg_again() { logreg_run; }
logreg_result() { gpt_result; }

predict_run() { "${disturbed[@]}" "$predict" --model_dir "$work/out" --csv "$work/data/test.csv" --threads 2 --format csv; }
predict_check() { :; }
predict_again() { predict_run; }
predict_result() { cmp -s "$folder/stdout" "$folder/stdout_new" || echo "the predictions are others"; }

evaluate_run() { "${disturbed[@]}" "$evaluate" --model_dir "$work/out" --data "$work/data/test.csv" --threads 2 --mistakes 2; }
evaluate_check() { :; }
evaluate_again() { evaluate_run; }
evaluate_result() { predict_result; }

tokenizer_run() { "${disturbed[@]}" "$tokenize" --train bpe --vocab_size 300 --csv "$work/data/train.csv" --output "$work/out"; }
tokenizer_check() { [ ! -e "$work/out/tokenizer.json" ] || "$tokenize" --tokenizer "$work/out" --text x >/dev/null 2>&1 || echo "the tokenizer cannot be loaded"; }
tokenizer_again() { tokenizer_run; }
tokenizer_result() { cmp -s "$work/out/tokenizer.json" "$folder/new.tokenizer.json" || echo "the tokenizer is another one"; }

ids_run() { "${disturbed[@]}" "$tokenize" --tokenizer "$work/tokenizer" --csv "$work/data/test.csv" --threads 2; }
ids_check() { :; }
ids_again() { ids_run; }
ids_result() { predict_result; }

whole_data() { # HEADER: the first line of each of the three files
  [ ! -e "$work/out/train.csv" ] || [ "$(head -1 -q "$work"/out/*.csv | sort | uniq -c | xargs)" = "3 $1" ] || echo "half of the data set"
}
same_data() { cat "$work"/out/*.csv | cmp -s - "$folder/new.csv" || echo "the data are others"; }

imdb_run() { "${disturbed[@]}" "$prepare_imdb" --synthetic --output "$work/out"; }
imdb_check() { whole_data text,label; }
imdb_again() { imdb_run; }
imdb_result() { same_data; }

spam_run() { "${disturbed[@]}" "$prepare_spam" --file "$work/messages" --output "$work/out"; }
spam_check() { whole_data Label,Text; }
spam_again() { spam_run; }
spam_result() { same_data; }

# The planted mistakes of careless.cpp, to see that they are found (faults_found_test.sh).
careless_run() { "${disturbed[@]}" "$programs/../tests/careless" "$work/result"; }
careless_check() { :; }
careless_again() { careless_run; }
careless_result() { [ "$(head -c 9 "$work/result")" = complete. ] && [ "$(wc -c <"$work/result")" = 1000 ] || echo "the result is another one"; }

# prepare SCENARIO: its files before the run, in $folder/start_SCENARIO, and its undisturbed results.
prepare() {
  rm -rf "$work" && cp -r "$start" "$work"
  case $1 in
    gpt) gpt_run --seed 5 && rm -r "$work/out/checkpoints" ;;
    resume) gpt_run --seed 5 && mv "$work/out/model.safetensors" "$work/out/config.json" "$folder" && rm -r "$work/out/checkpoints" "$work/log" &&
      gpt_run --max_steps 2 && mv "$folder/model.safetensors" "$folder/config.json" "$work/out" ;;
    logreg) logreg_run && sed -i '2,12s/,[01]$/,0/' "$work/data/train.csv" ;;
    predict | evaluate) gpt_run ;;
  esac >/dev/null
  rm -rf "$folder/start_$1" "$folder"/answer_* && cp -r "$work" "$folder/start_$1"
  if [ -e "$work/out" ]; then answer >"$folder/answer_old"; fi
  "$1_run" >"$folder/stdout_new"
  if [ -e "$work/out/model.safetensors" ]; then answer >"$folder/answer_new"; fi
  for file in model.safetensors tokenizer.json; do
    if [ -e "$work/out/$file" ]; then cp "$work/out/$file" "$folder/new.${file/model.safetensors/safetensors}"; fi
  done
  if [ -e "$work/out/train.csv" ]; then cat "$work"/out/*.csv >"$folder/new.csv"; fi
}

# attempt SCENARIO FAULT: one disturbed run and its checks; prints what is wrong.
attempt() {
  local scenario=$1 fault=$2 code=0
  rm -rf "$work" "$folder/happened" && cp -r "$folder/start_$scenario" "$work"
  disturbed=(timeout 30 env LD_PRELOAD="$shim" ATTUNE_FAULT_FOLDER="$work" ATTUNE_FAULT="$fault" ATTUNE_FAULT_HAPPENED="$folder/happened")
  "${scenario}_run" >"$folder/stdout" 2>"$folder/stderr" || code=$?
  disturbed=()
  case $code in
    0) [ -z "$(grep -v 'warning: \|note: ' "$folder/stderr")" ] || echo "exit code 0, but: $(head -3 "$folder/stderr")"
      "${scenario}_result" ;;
    1) [ "$(grep -vc 'warning: ' "$folder/stderr")" -eq 1 ] || echo "exit code 1 with $(wc -l <"$folder/stderr") lines: $(head -3 "$folder/stderr")"
      grep -q ': error: ..' "$folder/stderr" || echo "no error line: $(cat "$folder/stderr")" ;;
    *) echo "exit code $code: $(head -3 "$folder/stderr")" ;;
  esac
  local expected="note: \|is not the publisher's file"
  case $fault in
    *:EINTR | *:short) { [ $code -eq 0 ] && [ -z "$(grep -v "$expected" "$folder/stderr")" ]; } || echo "not survived: $(head -1 "$folder/stderr")" ;;
    unlink:* | move:*+:*) ;;  # a temporary that cannot be removed or moved stays
    *) [ -z "$(find "$work" -name '*.attune-*-??????')" ] || echo "left: $(find "$work" -name '*.attune-*-??????' -printf '%P ')" ;;
  esac
  case $fault in *:cut) return ;; esac  # an input is damaged now
  "${scenario}_check"
  "${scenario}_again" >"$folder/stdout" 2>"$folder/stderr" || echo "the next run fails: $(head -2 "$folder/stderr")"
  "${scenario}_result" | sed 's/^/after the next run, /'
  [ -z "$(find "$work" -name '*.attune-*-??????')" ] || echo "left after the next run: $(find "$work" -name '*.attune-*-??????' -printf '%P ')"
}

actions() {
  case $1 in
    open) echo EMFILE EACCES EIO EINTR ;;
    read) echo EIO EINTR short cut ;;
    write) echo ENOSPC EIO EINTR short ;;
    stat) echo EIO EACCES ;;
    sync) echo EIO ENOSPC EINTR ;;
    rename | mkdir) echo EIO ENOSPC ;;
    move) echo ENOSPC ;;
    unlink) echo EIO EACCES ;;
    close) echo EIO EINTR ;;
    map) echo ENOMEM cut ;;
    lock) echo EINTR EIO ;;
    memory) echo ENOMEM ;;
    thread) echo EAGAIN ;;
    *) echo EIO ;;
  esac
}

# chosen CALLS MOST: the numbers of the calls that are to fail: all, or the first ones, the last, and others by chance.
chosen() {
  local i
  if [ "$2" -eq 0 ] || [ "$1" -le "$2" ]; then seq "$1"; return; fi
  { seq $((($2 + 2) / 3)); echo "$1"; for i in $(seq $(($2 - ($2 + 2) / 3 - 1))); do echo $(((RANDOM * 32768 + RANDOM) % $1 + 1)); done; } | sort -nu
}

declare -A tried survived missed  # missed: the run had fewer calls than the one that was counted
scenarios=("$@")
[ $# -gt 0 ] || scenarios=(gpt resume bert logreg predict evaluate tokenizer ids imdb spam)
for scenario in "${scenarios[@]}"; do
  prepare "$scenario"
  rm -rf "$work" && cp -r "$folder/start_$scenario" "$work"
  disturbed=(env LD_PRELOAD="$shim" ATTUNE_FAULT_FOLDER="$work" ATTUNE_FAULT_COUNTS="$folder/counts")
  "${scenario}_run" >/dev/null 2>&1
  disturbed=()
  while read -r kind calls <&3; do
    most=$points happened=
    [ "$kind" != memory ] || most=$memory_points
    for k in $(chosen "$calls" "$most"); do
      for action in $(actions "$kind"); do
        for fault in "$kind:$k:$action" $([ "$action" != ENOSPC ] && [ "$action" != ENOMEM ] && [ "$action" != EMFILE ] || echo "$kind:$k+:$action"); do
          wrong=$(attempt "$scenario" "$fault")
          checks=$((checks + 1))
          if [ ! -e "$folder/happened" ]; then missed[$kind]=$((${missed[$kind]:-0} + 1)); else tried[$kind]=$((${tried[$kind]:-0} + 1)) happened=1; fi
          if [ -n "$wrong" ]; then fail "$scenario, $fault: $(head -4 <<<"$wrong")"; elif [ -e "$folder/happened" ]; then survived[$kind]=$((${survived[$kind]:-0} + 1)); fi
        done
      done
    done
    [ "$calls" -eq 0 ] || [ -n "$happened" ] || fail "$scenario, $kind: none of the faults happened"
  done 3<"$folder/counts"
done
for kind in "${!tried[@]}"; do
  printf '%-10s tried %6d, survived %6d%s\n' "$kind" "${tried[$kind]}" "${survived[$kind]:-0}" "${missed[$kind]:+; ${missed[$kind]} did not happen}"
done | sort
finish
