#!/usr/bin/env bash
# Fills a folder with the libraries that attune needs, for a machine that has a compiler and CMake but no network, such as
# a GPU node. Copy the folder there with the sources, then, in the sources:
#
#   cmake --preset cuda -D ATTUNE_DEPENDENCIES=FOLDER && cmake --build --preset cuda
#
# The files are those of Debian 12's packages (fetched with apt-get download, unpacked, nothing is installed): headers, libraries and CMake
# packages, about 26 MiB, no documentation. They need the C and C++ libraries of Debian 12 or newer (glibc 2.36, GCC 12) and the
# architecture of this machine.
#
# usage: scripts/stage_dependencies.sh FOLDER     replaces FOLDER/usr
set -euo pipefail
if [ $# -ne 1 ] || [[ $1 == -* ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
  [[ ${1:-} == --help || ${1:-} == -h ]] && exit 0
  exit 2
fi
say() { echo "stage_dependencies: $*"; }
[[ $(. /etc/os-release && echo "$ID$VERSION_ID") == debian12* ]] || { say "this needs Debian 12, whose packages it takes"; exit 1; }
scripts=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What cmake/AttuneDependencies.cmake finds, and what that needs at run time. The base system's own stay out.
roots=(libgtest-dev libbenchmark-dev libre2-dev nlohmann-json3-dev libcli11-dev libutf8proc-dev liblbfgs-dev libboost-context1.74-dev
  libssl-dev libcurl4-openssl-dev libarchive-dev liblzma-dev zlib1g-dev)
options=(--recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances)
# Excluded: the compiler, the base system, and packages that only unused Boost libraries or headers need.
base='^(gcc-|g\+\+|libc6|libc-|linux-libc|libgcc|libstdc|lib[a-z]*san[0-9]|libatomic|libgomp|libitm|libquadmath|libcrypt1|libcrypt-|libnsl|libtirpc'
base+='|rpcsvc|libdb5|libboost-(atomic|chrono|date|serial|system|thread)|libicu|libxml2|googletest)'
mapfile -t packages < <(apt-cache depends "${options[@]}" "${roots[@]}" | grep '^[a-z]' | sort -u | grep -vE "$base")
say "fetching ${#packages[@]} packages"
(cd "$work" && apt-get download -q -o APT::Sandbox::User=root "${packages[@]}" >fetched 2>&1) || { cat "$work/fetched"; exit 1; }
for package in "$work"/*.deb; do dpkg -x "$package" "$work/all"; done
cp -a "$work"/all/lib/. "$work/all/usr/lib/" 2>/dev/null || true  # some libraries are still in /lib
libraries=$(dirname "$(find "$work/all/usr/lib" -name libcrypto.so)")
library_folder=${libraries#"$work/all/usr/"}

# Static archives are removed if a shared library exists, except libarchive: its shared library needs libxml2 and ICU (45 MiB) for formats
# that attune neither reads nor writes. A linker script replaces it, and the two writers of such formats fail (ARCHIVE_FATAL).
(cd "$libraries" && for archive in *.a; do
  case $archive in
    libarchive.a | liblzma.a | libz.a | libgtest*.a | libbenchmark_main.a | libboost_context.a) ;;
    *) rm "$archive" ;;
  esac
done)
rm -f "$libraries"/libarchive.so* && echo 'INPUT(libarchive.a liblzma.a libz.a libcrypto.so libnettle.so.8)' >"$libraries/libarchive.so"
for format in xar 7zip; do
  echo "extern \"C\" int archive_write_set_format_$format(void*) { return -30; }" >"$work/archive_write_set_format_$format.cpp"
  (cd "$work" && g++ -fPIC -c "archive_write_set_format_$format.cpp")
  ar r "$libraries/libarchive.a" "$work/archive_write_set_format_$format.o"  # in place of the member of this name
done

# Of Boost's headers, those that its fibers include.
printf '#include <boost/context/%s>\n' fiber.hpp protected_fixedsize_stack.hpp >"$work/fibers.cpp"
(cd "$work/all/usr/include" &&
  g++ -std=c++20 -M -I. "$work/fibers.cpp" | tr ' \\' '\n\n' | grep -E '^boost/' | sort -u >"$work/boost_headers"
  tar -cf "$work/boost.tar" boost/version.hpp -T "$work/boost_headers" && rm -r boost && tar -xf "$work/boost.tar")

cp -a "$work/all/usr/include/${library_folder#lib/}/." "$work/all/usr/include/" && rm -r "$work/all/usr/include/${library_folder#lib/}"
rm -rf "${folder:?}/usr" && mkdir -p "$folder/usr/$library_folder" "$folder/usr/share"
cp -a "$work/all/usr/include" "$folder/usr/"
cp -a "$work/all/usr/share/cmake" "$folder/usr/share/"
(cd "$libraries" && cp -a cmake ./*.a ./*.so* "$folder/usr/$library_folder/")
find "$folder/usr/$library_folder" -xtype l -delete  # links to libraries of the packages left out
# For -D ATTUNE_CUDNN=ON, which is optional, as these headers then are.
"$scripts/fetch_cudnn_frontend.sh" "$folder/usr" || say "without the headers of cuDNN's frontend"
say "$(find "$folder/usr" -type f | wc -l) files, $(du -sm --apparent-size "$folder/usr" | cut -f1) MiB in $folder/usr"
