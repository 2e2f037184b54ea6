#!/usr/bin/env bash
# Every call of the CUDA runtime, of cuBLASLt and of cuDNN has its status looked at: it is the argument of CUDA_CHECK or of a function that throws or reports,
# it is returned, or a variable named status takes it; static_cast<void>( ) says with a comment why it cannot matter. Kernels are launched by
# kernels/cuda/nvidia/launch.cpp alone, which checks the launch and names the kernel: <<< >>> and cudaLaunch... stand nowhere else.
# tests/fake_cuda defines these functions and calls them wrongly on purpose.
#
# usage: check_cuda_calls.sh PROJECT
set -euo pipefail
cd "$1"
mapfile -t sources < <(find kernels engine models apps bench tests -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) 2>/dev/null |
  grep -vE '^(kernels/cuda/simulated|tests/fake_cuda)/' | sort)
[ ${#sources[@]} -gt 0 ] || { echo "no sources found below $1"; exit 1; }
awk '
  FNR == 1 { before = "" }
  {
    text = $0
    gsub(/"([^"\\]|\\.)*"/, "\"\"", text)
    sub(/\/\/.*/, "", text)
    if (text ~ /<<<|>>>[ \t]*\(/) { print FILENAME ":" FNR ": a kernel is launched with <<< >>>, not through launch()"; bad = 1 }
    while (match(text, /(^|[^A-Za-z0-9_])(cuda|cublas|cudnn)[A-Z][A-Za-z0-9_]*[ \t]*\(/)) {
      if (substr(text, RSTART, 1) !~ /[a-z]/) { RSTART += 1; RLENGTH -= 1 }
      name = substr(text, RSTART, RLENGTH - 1)
      before = before " " substr(text, 1, RSTART - 1)
      text = substr(text, RSTART + RLENGTH)
      sub(/^.*[;{}]/, "", before)
      ++calls
      if (name ~ /^cudaLaunch/ && FILENAME != "kernels/cuda/nvidia/launch.cpp") {
        print FILENAME ":" FNR ": " name " stands outside of kernels/cuda/nvidia/launch.cpp"; bad = 1
      } else if (name !~ /(ErrorString|StatusString|GetVersion|^cudaError_t)$/ &&
          before !~ /(^|[^A-Za-z0-9_])(CUDA_CHECK|report|check|check_launch|throw_on_fault|static_cast<void>)\([ \t]*$/ && before !~ /(status =|return)[ \t]*$/) {
        print FILENAME ":" FNR ": the status of " name " is not looked at"; bad = 1
      }
      before = "("
    }
    before = before " " text
    sub(/^.*[;{}]/, "", before)
  }
  END { if (!calls) { print "no call of CUDA found"; bad = 1 } else if (!bad) print calls " calls are checked"; exit bad }' "${sources[@]}"
