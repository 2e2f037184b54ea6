# Writes a source file with the version and the commit that is built, "-dirty" after it if files differ from it; nothing if this is no clone of its own or
# there is no git. The file is touched only if one of them is another.
#
# usage: cmake -D SOURCE=<project> -D VERSION=<its version> -D FILE=<what to write> -P write_version.cmake
execute_process(COMMAND git -C ${SOURCE} rev-parse --show-toplevel OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
set(commit "")
if(NOT failed)
  file(REAL_PATH ${SOURCE} source)
  if(top STREQUAL source)
    execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=* OUTPUT_VARIABLE commit
                    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
file(CONFIGURE OUTPUT ${FILE} @ONLY CONTENT [[
#include "apps/support/version.h"

namespace attune {

const char* built_version() {
  return "@VERSION@";
}

const char* built_commit() {
  return "@commit@";
}

}  // namespace attune
]])
