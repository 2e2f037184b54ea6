# Every third-party library, found as a system package (third_party/README.md says what each is for; scripts/setup.sh
# installs them). A missing one is named together with the command that installs it.
function(attune_missing what package)
  message(FATAL_ERROR "${what} was not found. Install it with scripts/setup.sh, or: apt-get install ${package}")
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

find_package(nlohmann_json QUIET)
if(NOT nlohmann_json_FOUND)
  attune_missing("nlohmann-json" nlohmann-json3-dev)
endif()
find_package(CLI11 QUIET)
if(NOT CLI11_FOUND)
  attune_missing("CLI11" libcli11-dev)
endif()

# attune_pkg(<target> <pkg-config name> <Debian package>): an imported target from pkg-config.
macro(attune_pkg target module package)
  pkg_check_modules(${target} QUIET IMPORTED_TARGET ${module})
  if(NOT ${target}_FOUND)
    attune_missing("${module}" ${package})
  endif()
  add_library(${target} ALIAS PkgConfig::${target})
endmacro()
attune_pkg(re2 re2 libre2-dev)
attune_pkg(utf8proc libutf8proc libutf8proc-dev)
attune_pkg(archive libarchive libarchive-dev)
attune_pkg(curl libcurl libcurl4-openssl-dev)
attune_pkg(crypto libcrypto libssl-dev)

# liblbfgs ships no pkg-config file.
find_library(LBFGS_LIBRARY lbfgs)
find_path(LBFGS_INCLUDE_DIR lbfgs.h)
if(NOT LBFGS_LIBRARY OR NOT LBFGS_INCLUDE_DIR)
  attune_missing("liblbfgs" liblbfgs-dev)
endif()
add_library(lbfgs UNKNOWN IMPORTED)
set_target_properties(lbfgs PROPERTIES IMPORTED_LOCATION ${LBFGS_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${LBFGS_INCLUDE_DIR})

# Fibers of the block simulator (kernels/cuda/simulated).
find_package(Boost QUIET COMPONENTS context)
if(NOT Boost_CONTEXT_FOUND)
  attune_missing("Boost.Context" libboost-context-dev)
endif()

# OpenBLAS is optional: without it matrix products run on our own blocked loops.
option(ATTUNE_OPENBLAS "Use OpenBLAS for CPU matrix products where it is installed" ON)
if(ATTUNE_OPENBLAS)
  pkg_check_modules(openblas QUIET IMPORTED_TARGET openblas)
endif()
message(STATUS "OpenBLAS: ${openblas_FOUND}")

if(ATTUNE_BUILD_TESTS)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    attune_missing("GoogleTest" libgtest-dev)
  endif()
endif()
if(ATTUNE_BUILD_BENCH)
  find_package(benchmark QUIET)
  if(NOT benchmark_FOUND)
    attune_missing("Google Benchmark" libbenchmark-dev)
  endif()
endif()
