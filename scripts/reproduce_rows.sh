# What scripts/reproduce.sh and scripts/reproduce_spam.sh share. They source it after they have set $root; $bin and $models are set before the
# functions are called.

script=$(basename "$0" .sh)
mistake() { echo "$script: $1 (--help explains the options)" >&2; exit 2; }
note() { echo "$script: $1"; }

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
