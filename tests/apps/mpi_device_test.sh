#!/usr/bin/env bash
# Runs of several processes with a simulated device each, on the command line: gradients are exchanged between the devices by a stand-in for
# NCCL (tests/support/nccl), with the bits of an exchange through the hosts; without NCCL a warning says so; and an error of NCCL, or a rank
# that dies or stops, ends the run.
#
# usage: mpi_device_test.sh TRAIN_GPT MPI_MODULE STAND_IN TOKENIZE PREPARE_IMDB MPIRUN...
set -euo pipefail
train_gpt=$1 mpi_module=$2 stand_in=$3 tokenize=$4 prepare_imdb=$5
mpirun=("${@:6}")
program=$train_gpt
. "$(dirname "$0")/checks.sh"
trap 'pkill -KILL -f -- "--output $folder" || true; rm -rf "$folder"' EXIT
export ATTUNE_SIMULATE_GPU=1

# A program finds its modules in its own folder.
mkdir "$folder/with" "$folder/without"
for place in with without; do cp "$train_gpt" "$mpi_module" "$folder/$place"; done
cp "$stand_in" "$folder/with/libattune_nccl.so"

invented_data 36 300
echo '{"model_type": "gpt2", "vocab_size": 300, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2, "embd_pdrop": 0.1, "attn_pdrop": 0.1, "resid_pdrop": 0.1}' \
  >"$folder/config.json"
gpt=(--data "$folder/data" --context_length 8 --batch_size 12 --eval_freq 0 --eval_iter 1 --threads 1 --tokenizer "$folder/tokenizer" --weights random
  --config "$folder/config.json" --trainable_layers all --learning_rate 1e-2 --no_final_evaluation --device cuda)
# run PROCESSES NAME PLACE OPTION...: a run of the program of this folder; its log, model and output under NAME.
run() { "${mpirun[@]}" -n "$1" "$folder/$3/train_gpt" "${gpt[@]}" "${@:4}" --output "$folder/$2" --log_file "$folder/$2.log" >"$folder/$2.out" 2>"$folder/$2.err"; }
losses() { sed 's/, *"tokens_per_second": *[^}]*//' "$folder/$1.log"; }

run 3 hosts without || fail "through the hosts: $(cat "$folder/hosts.err")"
expect "lines of the warning" 1 "$(grep -c '^warning: gradients are exchanged through the host, which takes longer: NCCL cannot be used: rank 0: it cannot be loaded (.*libattune_nccl.so.*); attune needs libnccl-dev when it is built, and libnccl2 when it runs$' "$folder/hosts.err")"
run 3 devices with || fail "between devices: $(cat "$folder/devices.err")"
expect "warnings with NCCL" "" "$(grep warning "$folder/devices.err" || true)"
ATTUNE_NCCL_STAND_IN=no_devices run 3 refused with || fail "NCCL without devices: $(cat "$folder/refused.err")"
grep -qF 'NCCL cannot be used: rank 0: ncclCommInitRank: the stand-in refuses (stand-in)' "$folder/refused.err" || fail "NCCL without devices: $(cat "$folder/refused.err")"
# A rank that fails before it has met the others, and one that never meets them. (2 s of patience, for 6 s.)
ATTUNE_NCCL_STAND_IN=refuses=1 run 3 one_refused with || fail "NCCL fails on one rank: $(cat "$folder/one_refused.err")"
grep -qF 'NCCL cannot be used: rank 1: ncclCommInitRank: the stand-in refuses (stand-in)' "$folder/one_refused.err" ||
  fail "NCCL fails on one rank: $(cat "$folder/one_refused.err")"
ATTUNE_NCCL_STAND_IN=never=2 run 3 never with --peer_timeout 2 || fail "NCCL never opens: $(cat "$folder/never.err")"
grep -qF 'NCCL cannot be used: not all GPUs have joined within 6 s' "$folder/never.err" || fail "NCCL never opens: $(cat "$folder/never.err")"
for other in devices refused one_refused never; do
  expect "the losses of $other" "$(losses hosts)" "$(losses $other)"
  cmp "$folder/hosts/model.safetensors" "$folder/$other/model.safetensors" || fail "$other: other weights than through the hosts"
done

# A launcher that does not tell ranks on a machine; with a GPU that is named the run goes on, to MPI, which finds one process.
no_local_rank() { expect "$1" "$2" "$(env -u CUDA_VISIBLE_DEVICES PMI_SIZE=2 PMI_RANK=0 SLURM_LOCALID=0 "${@:3}" "$train_gpt" "${gpt[@]}" 2>&1 | grep -o 'error: .*\(whose; .*\|MPI joins 1\)')"; }
no_local_rank "no local rank" "error: the launcher does not say which GPU is whose; set CUDA_VISIBLE_DEVICES for each process"
no_local_rank "no local rank, several GPUs" "error: the launcher does not say which GPU is whose; set CUDA_VISIBLE_DEVICES for each process" CUDA_VISIBLE_DEVICES=0,1
no_local_rank "no local rank, one GPU" "error: the launcher has started 2 processes, but MPI joins 1" CUDA_VISIBLE_DEVICES=1

# An error of NCCL while the program does other things.
begun=$SECONDS
if ATTUNE_NCCL_STAND_IN=fail_after=20 run 3 failed with --num_epochs 100000; then fail "an error of NCCL: the run succeeds"; fi
[ $((SECONDS - begun)) -le 20 ] || fail "an error of NCCL: the run ends after $((SECONDS - begun)) s"
expect "the line about it" "error: the exchange of gradients between GPUs failed: NCCL: remote process exited or there was a network error (stand-in); the run ends" \
  "$(grep '^error' "$folder/failed.err" || true)"

# A rank that is killed, or stops, while others wait for it in an exchange.
begin() {
  rm -rf "$folder/$1" "$folder/$1.log"
  run 3 "$1" with --num_epochs 100000 --peer_timeout 2 & launcher=$!
  until [ -s "$folder/$1.log" ]; do sleep 0.05; done
  victim=$(pgrep -f -- "--output $folder/$1 " | while read -r id; do
    tr '\0' '\n' <"/proc/$id/environ" 2>/dev/null | sed -n "s/^OMPI_COMM_WORLD_RANK=1$/$id/p"; done)
}
for signal in KILL STOP; do
  begin $signal
  kill -$signal "$victim"
  begun=$SECONDS code=0
  wait $launcher || code=$?
  if [ $code -eq 0 ] || [ $((SECONDS - begun)) -gt 15 ]; then fail "rank 1 got SIG$signal: exit code $code after $((SECONDS - begun)) s"; fi
done
expect "the line about it" "error: rank 1 ($(hostname), process $victim) has not been heard of for 2 s; the run ends" "$(grep '^error' "$folder/STOP.err" || true)"
finish
