#!/usr/bin/env bash
# Fetches the headers of cuDNN's frontend, which a build with -D ATTUNE_CUDNN=ON includes, into FOLDER/include. They come from
# NVIDIA's package for Python; nothing is installed.
#
# usage: scripts/fetch_cudnn_frontend.sh FOLDER     then: cmake ... -D ATTUNE_CUDNN=ON -D CMAKE_PREFIX_PATH=FOLDER
set -euo pipefail
if [ $# -ne 1 ] || [[ $1 == -* ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
  [[ ${1:-} == --help || ${1:-} == -h ]] && exit 0
  exit 2
fi
version=1.15.0  # newer ones need NVRTC as well
[ "$(cat "$1/include/cudnn_frontend.fetched" 2>/dev/null)" != $version ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" nvidia-cudnn-frontend==$version
python3 - "$work" "$1" <<'PYTHON'
import glob, sys, zipfile
work, folder = sys.argv[1:]
with zipfile.ZipFile(glob.glob(work + "/*.whl")[0]) as wheel:
    names = [name for name in wheel.namelist() if name.startswith("include/")]
    wheel.extractall(folder, names)
print(f"fetch_cudnn_frontend: {len(names)} headers in {folder}/include")
PYTHON
echo $version >"$1/include/cudnn_frontend.fetched"
