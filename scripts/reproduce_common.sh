# What scripts/reproduce.sh and scripts/reproduce_spam.sh share. They source it after they have set $root, and read their options into variables of
# the same names ($bin, $models, ...) before they call these functions.

script=$(basename "$0" .sh)
mistake() { echo "$script: $1 (--help explains the options)" >&2; exit 2; }
note() { echo "$script: $1"; }

# parse_options "FLAG..." "OPTION..." ARGUMENT...: sets the variables that are named like the options of the command line, to the value of an option and to
# yes for a flag. --help prints usage and ends the script.
parse_options() {
  local flags=" $1 " options=" $2 " name
  shift 2
  while [ $# -gt 0 ]; do
    [[ $1 != --help && $1 != -h ]] || { usage; exit 0; }
    name=${1#--}
    [[ $1 =~ ^--[a-z_]+$ && "$flags$options" == *" $name "* ]] || mistake "unknown option '$1'"
    if [[ $flags == *" $name "* ]]; then
      printf -v "$name" yes
      shift
      continue
    fi
    [ -n "${2:-}" ] || mistake "$1 needs a value"
    [[ $2 != --* ]] || mistake "$1 needs a value, and '$2' is an option"
    printf -v "$name" %s "$2"
    shift 2
  done
}

# Turns $rows, names that commas or blanks separate, into ",NAME,...,NAME,", and sets $names to them.
list_rows() {
  rows=$(tr -s '[:space:],' ',' <<<",$rows,")
  [ "$rows" != , ] || mistake "--rows names no row"
  IFS=, read -ra names <<<"${rows:1}"
}

# Checks --device, --precision and --models; sets $preset, and $bin if --bin was not given.
check_machine() {
  [[ $device == cpu || $device == cuda ]] || mistake "--device '$device' is unknown; the devices are cpu and cuda"
  [[ $precision == fp32 || $precision == tf32 || $precision == bf16 ]] ||
    mistake "--precision '$precision' is unknown; the precisions are fp32, tf32 and bf16"
  [[ $precision != tf32 || $device == cuda ]] || mistake "--precision tf32 needs --device cuda"
  [ -z "$models" ] || [ -d "$models" ] || mistake "--models $models: no such folder"
  preset=release
  [ "$device" = cpu ] || preset=cuda
  bin=${bin:-$root/build/$preset/bin}
}

# prepare_data NAME ARGUMENT...: sets $data if --data was not given, to OUTPUT/NAME, which prepare_NAME fills if its files are missing.
prepare_data() {
  local name=$1 split given='' complete=yes
  shift
  [ -z "$data" ] || given=yes
  data=${data:-$output/$name}
  for split in train validation test; do [ -s "$data/$split.csv" ] || complete=''; done
  [ -z "$complete" ] || return 0
  [ -z "$given" ] || mistake "--data $data: train.csv, validation.csv or test.csv is missing"
  local command=("$bin/prepare_$name" --output "$data" "$@")
  if [ -n "$dry_run" ]; then echo "${command[*]}"; return 0; fi
  "${command[@]}" || { note "the data could not be prepared" >&2; exit 1; }
}

# Folder of a repository's snapshot in the cache, found in the same way as in the programs.
in_cache() {
  local hub=${HF_HUB_CACHE:-${HUGGINGFACE_HUB_CACHE:-}} home=${HF_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/huggingface} folder
  folder=${hub:-$home/hub}/models--${1//\//--}
  [ -f "$folder/refs/main" ] || return 1
  echo "$folder/snapshots/$(tr -d '[:space:]' <"$folder/refs/main")"
}

# find_weights NAME REPOSITORY...: prints the first folder with a config and weights.
find_weights() {
  local name=$1 repository folder
  shift
  local candidates=()
  if [ -n "$models" ]; then
    candidates+=("$models/$name")
    for repository in "$@"; do candidates+=("$models/$repository" "$models/${repository##*/}"); done
  fi
  for repository in "$@"; do
    if folder=$(in_cache "$repository"); then candidates+=("$folder"); fi
  done
  for folder in ${candidates[@]+"${candidates[@]}"}; do
    if [ -f "$folder/config.json" ] && [ -f "$folder/model.safetensors" ]; then echo "$folder"; return 0; fi
  done
  return 1
}

# number FILE PATTERN: the last match's captured group.
number() { sed -nE "s/$2/\1/p" "$1" | tail -1; }

grouped() { sed -E ':again; s/^([0-9]+)([0-9]{3})/\1,\2/; t again' <<<"$1"; }
