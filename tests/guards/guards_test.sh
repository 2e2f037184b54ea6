#!/usr/bin/env bash
# The guards themselves: each passes on a small project, and fails on every kind of fault that is planted there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree" "$tree.out"' EXIT

reset() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree/kernels/cuda/nvidia" "$tree/scripts" "$tree/cmake" "$tree/third_party"
  cat >"$tree/kernels/cuda/nvidia/launch.cpp" <<'SOURCE'
void f() {
  CUDA_CHECK(cudaMalloc(&p, 4));
  const cudaError_t status = cudaFree(p);  // cudaFree(p);
  static_cast<void>(cudaGetLastError());
  CHECK(status == cudaSuccess, "cudaFree(p) failed: ", cudaGetErrorString(status));
  check_launch(
      cudaLaunchKernel(kernel, {1, 1, 1}, {32, 1, 1}, arguments, 0, stream), name);
}
SOURCE
  printf 'packages=(\n  g++ libone-dev libtwo-dev\n)\n' >"$tree/scripts/setup.sh"
  printf 'scripts/setup.sh tool-14\n' >"$tree/scripts/test.sh"
  printf '| One | libone-dev | 1.0 | MIT |\n| Two | libtwo-dev | 2 | BSD |\n| GCC | g++ | 12 | GPL |\n| Tool | tool-14 | 14 | MIT |\n' >"$tree/third_party/README.md"
  printf 'find_package(Threads REQUIRED)\nfind_package(One QUIET)\nif(NOT One_FOUND)\n  attune_missing("One" libone-dev)\nendif()\nattune_find(two two.h two libtwo-dev)\n' \
    >"$tree/cmake/AttuneDependencies.cmake"
  cp "$here/../../.clang-format" "$tree"
}
passes() {
  "$here/$1" "$tree" >"$tree.out" || { echo "$1 fails on a clean project"; cat "$tree.out"; exit 1; }
}
fires() {  # CHECK WHAT MESSAGE, after a change of the tree
  if "$here/$1" "$tree" >"$tree.out" 2>&1; then echo "$1 does not find $2"; exit 1; fi
  grep -qE "$3" "$tree.out" || { echo "$1 does not say '$3' of $2"; cat "$tree.out"; exit 1; }
  reset
}

reset
for check in check_cuda_calls.sh check_secrets.sh check_packages.sh; do passes $check; done

calls=kernels/cuda/nvidia/calls.cpp
plant() { printf 'void g() {\n  %s\n}\n' "$1" >"$tree/$calls"; }
plant 'cudaFree(p);' && fires check_cuda_calls.sh "a call without check" "$calls:2: the status of cudaFree is not looked at"
plant 'if (x) cublasLtDestroy(handle);' && fires check_cuda_calls.sh "a call after a condition" 'status of cublasLtDestroy'
plant 'CUDA_CHECK(cudaFree(p)); cudaFree(q);' && fires check_cuda_calls.sh "the second call of a line" 'status of cudaFree'
plant 'CUDA_CHECK(
      cudaFree(p)); cudnnDestroy(h);' && fires check_cuda_calls.sh "a call after one of two lines" 'status of cudnnDestroy'
plant 'kernel<<<1, 32>>>(x);' && fires check_cuda_calls.sh "a launch without check" 'launched with <<<'
plant 'CUDA_CHECK(cudaLaunchKernel(kernel, grid, block, a, 0, s));' && fires check_cuda_calls.sh "a launch elsewhere" 'cudaLaunchKernel stands outside'

key=-----BEGIN
echo "see /home/someone/notes" >"$tree/scripts/a.md" && fires check_secrets.sh "a path" 'scripts/a.md:1:'
echo "x = '/mnt/data/x'" >"$tree/scripts/a.py" && fires check_secrets.sh "a path in quotes" 'scripts/a.py:1:'
echo "$key RSA PRIVATE KEY-----" >"$tree/scripts/a" && fires check_secrets.sh "a key" 'scripts/a:1:'
printf 'token: hf_%s\n' AbCdEfGhIjKlMnOpQrStUvWxYz012345 >"$tree/scripts/a" && fires check_secrets.sh "a token" 'scripts/a:1:'
git -C "$tree" init -q && touch "$tree/scripts/gone" && echo "see /home/someone/notes" >"$tree/scripts/a.md" && git -C "$tree" add -A &&
  rm "$tree/scripts/gone" && fires check_secrets.sh "a path next to a deleted file" 'scripts/a.md:1:'
rm -rf "$tree/.git"
printf 'password = "%s"\n' correcthorse >"$tree/scripts/a" && fires check_secrets.sh "a password" 'scripts/a:1:'

sed -i '/libone/d' "$tree/third_party/README.md" && fires check_packages.sh "a package without row" 'no row with a licence for libone-dev'
sed -i 's/| MIT/| /' "$tree/third_party/README.md" && fires check_packages.sh "a row without licence" 'no row with a licence for libone-dev'
sed -i '/tool/d' "$tree/third_party/README.md" && fires check_packages.sh "a tool without row" 'no row with a licence for tool-14'
echo 'more_packages=(tool-15)' >"$tree/scripts/c.sh" && fires check_packages.sh "a tool of an array without row" 'no row with a licence for tool-15'
sed -i 's/libone-dev//' "$tree/scripts/setup.sh" && fires check_packages.sh "a package that is not installed" 'no script installs libone-dev'
sed -i '/attune_missing/d' "$tree/cmake/AttuneDependencies.cmake" && fires check_packages.sh "a library without package" 'searches One'
echo 'find_package(Two)' >"$tree/kernels/CMakeLists.txt" && fires check_packages.sh "a library of one room" 'find_package.*outside'

# found WHAT MESSAGE CODE: a program of this code
found() {
  printf '#include <mutex>\nint main() { %s }\n' "$3" >"$tree/a.cpp"
  "${CXX:-c++}" "$tree/a.cpp" -o "$tree/a.out" && ! "$here/check_runtime.sh" "$tree/a.out" >"$tree.out" || { echo "check_runtime.sh does not find $1"; exit 1; }
  grep -qF "$2" "$tree.out" || { echo "check_runtime.sh does not say '$2' of $1"; cat "$tree.out"; exit 1; }
}
found "a thread_local object" "a thread_local object has a destructor" 'static int n; struct S { ~S() { ++n; } }; thread_local S s;'
found "std::call_once" "uses std::call_once" 'static std::once_flag once; std::call_once(once, [] {});'
printf 'int main() { thread_local int n; return n; }' >"$tree/a.cpp" && "${CXX:-c++}" "$tree/a.cpp" -o "$tree/a.out" && "$here/check_runtime.sh" "$tree/a.out" >/dev/null ||
  { echo "check_runtime.sh fails on a program with neither"; exit 1; }
reset

code=0
(cd "$tree" && "$here/check_format.sh" .) >"$tree.out" 2>&1 || code=$?
if [ $code -ne 77 ]; then  # 77: clang-format 14 is not installed
  printf 'int x;\n' >"$tree/kernels/cuda/nvidia/launch.cpp" && passes check_format.sh
  echo 'int  x ;' >"$tree/$calls" && fires check_format.sh "another layout" 'calls.cpp'
fi
echo "the guards find every fault that was planted"
