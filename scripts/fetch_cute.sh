#!/usr/bin/env bash
# Fetches the headers of CUTLASS with CuTe into FOLDER/include, from NVIDIA's package for Python; nothing is installed. Only fragment_layouts_test reads
# them, and only where the CUDA toolkit is. Without them it is skipped.
#
# usage: scripts/fetch_cute.sh FOLDER     build/cute is found by itself; other folders: cmake ... -D CMAKE_PREFIX_PATH=FOLDER
set -euo pipefail
if [ $# -ne 1 ] || [[ $1 == -* ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
  [[ ${1:-} == --help || ${1:-} == -h ]] && exit 0
  exit 2
fi
version=4.2.0.0
digest=f9599ada45c7bcb6bf53f7d3f0a7d154183e53451c01bfa59eecd37dd4a693f6  # SHA-256
[ "$(cat "$1/include/cute.fetched" 2>/dev/null)" != $version ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "nvidia-cutlass==$version --hash=sha256:$digest" >"$work/requirements"
python3 -m pip download --quiet --disable-pip-version-check --retries 1 --timeout 5 --no-deps --require-hashes --only-binary :all: --dest "$work" \
  --requirement "$work/requirements"
python3 - "$work" "$1" <<'PYTHON'
import glob, os, sys, zipfile
work, folder = sys.argv[1:]
inside = "cutlass_library/source/"
count = 0
with zipfile.ZipFile(glob.glob(work + "/*.whl")[0]) as wheel:
    for name in wheel.namelist():
        if not name.startswith(inside + "include/") or name.endswith("/"):
            continue
        path = os.path.join(folder, name[len(inside):])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as header:
            header.write(wheel.read(name))
        count += 1
print(f"fetch_cute: {count} headers in {folder}/include")
PYTHON
echo $version >"$1/include/cute.fetched"
