#!/usr/bin/env bash
# Two things of C++ end a program without memory, where all others throw std::bad_alloc: a thread_local object with a destructor, which glibc has to note
# (PerThread instead), and an exception that leaves std::call_once, for which glibc loads a library (a lock instead). Programs have neither.
#
# usage: check_runtime.sh PROGRAM...
set -euo pipefail
for program in "$@"; do
  symbols=$(nm -D --undefined-only "$program")
  case $symbols in
    *__cxa_thread_atexit*) echo "$program: a thread_local object has a destructor" && exit 1 ;;
    *__once_proxy*) echo "$program: uses std::call_once" && exit 1 ;;
  esac
done
echo "$# programs have no thread_local object with a destructor and no std::call_once"
