# Sourced by the command-line tests: a temporary folder and the checks. Set `program` to the one under test.
#
#   expect NAME EXPECTED ACTUAL
#   expect_error NAME CODE PATTERN ARGUMENT...   the program's exit code, and that it prints one line which holds the pattern
#   finish                                       exits with 1 if any check has failed
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0

fail() { echo "FAILED: $1"; failures=$((failures + 1)); }
expect() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }
expect_error() {
  local name=$1 code=$2 pattern=$3 actual=0
  shift 3
  "$program" "$@" >"$folder/out" 2>"$folder/err" || actual=$?
  expect "$name, exit code" "$code" "$actual"
  expect "$name, lines of the message" 1 "$(wc -l <"$folder/err")"
  grep -qF -- "$pattern" "$folder/err" || fail "$name: expected '$pattern', got '$(cat "$folder/err")'"
}
finish() {
  [ "$failures" -eq 0 ] || exit 1
  echo "every check passed"
  exit 0
}
