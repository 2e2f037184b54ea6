// One file from the web (http, https) or a file:// address.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace attune {

/// Called with the bytes done so far; the total is 0 if it is not known.
using ProgressFn = std::function<void(std::int64_t done, std::int64_t total)>;

/// Downloads to a file; nothing is left on disk if it fails. Redirects of https are followed only to https. Throws
/// Error naming the address and the reason, also if there are more than `max_bytes`, or Interrupted after Ctrl-C.
void download_file(const std::string& url, const std::string& path, const ProgressFn& progress,
                   std::int64_t max_bytes = std::numeric_limits<std::int64_t>::max());

/// The file of an address in this folder, which is downloaded with a progress bar unless it is there already. Prints
/// which of both; `option` is the one that names a file on this machine. Throws as download_file().
std::string downloaded_file(const std::string& folder, const std::string& url, const std::string& option,
                            std::int64_t max_bytes = std::numeric_limits<std::int64_t>::max());

/// The last part of an address's path, e.g. "reviews.tar.gz". Throws Error if it has none.
std::string file_name_of_url(const std::string& url);

}  // namespace attune
