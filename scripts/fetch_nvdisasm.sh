#!/usr/bin/env bash
# Fetches nvdisasm and cuobjdump into FOLDER/bin, from NVIDIA's packages for Python; nothing is installed. Only scripts/compiled_code.py runs them. Where
# the CUDA toolkit has both, nothing is fetched.
#
# usage: scripts/fetch_nvdisasm.sh FOLDER     build/nvdisasm is found by itself; other folders: PATH=FOLDER/bin:$PATH
set -euo pipefail
if [ $# -ne 1 ] || [[ $1 == -* ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
  [[ ${1:-} == --help || ${1:-} == -h ]] && exit 0
  exit 2
fi
version=13.2.86  # reads what older compilers write
has() { PATH=$PATH:/usr/local/cuda/bin command -v "$1" >/dev/null; }
if has nvdisasm && has cuobjdump; then exit 0; fi
[ "$(cat "$1/bin/nvdisasm.fetched" 2>/dev/null)" != $version ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/requirements" <<REQUIREMENTS
nvidia-cuda-nvdisasm==$version --hash=sha256:53606e719ecae07a2335f95902d5a1393a0cc1c317499ee7ffcf628a44385f2c
nvidia-cuda-cuobjdump==$version --hash=sha256:d332c2ffe78e703ca0a3894be927f83124244e2acf0d792b8c12b4362d44d837
REQUIREMENTS
python3 -m pip download --quiet --disable-pip-version-check --retries 1 --timeout 5 --no-deps --require-hashes --only-binary :all: --dest "$work" \
  --requirement "$work/requirements"
mkdir -p "$1/bin"
python3 - "$work" "$1/bin" <<'PYTHON'
import glob, os, sys, zipfile
work, folder = sys.argv[1:]
for path in glob.glob(work + "/*.whl"):
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            if os.path.basename(name) in ("nvdisasm", "cuobjdump"):
                with open(os.path.join(folder, os.path.basename(name)), "wb") as program:
                    program.write(wheel.read(name))
PYTHON
chmod +x "$1/bin/nvdisasm" "$1/bin/cuobjdump"
echo $version >"$1/bin/nvdisasm.fetched"
echo "fetch_nvdisasm: nvdisasm and cuobjdump in $1/bin"
