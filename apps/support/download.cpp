#include "apps/support/download.h"

#include <curl/curl.h>
#include <strings.h>

#include <array>
#include <filesystem>
#include <iostream>
#include <memory>

#include "apps/support/interrupt.h"
#include "apps/support/progress.h"
#include "base/check.h"
#include "engine/io/files.h"

namespace attune {
namespace {

constexpr long kConnectSeconds = 30;
constexpr long kStallSeconds = 60;  // without a byte

struct CloseCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

// The state that the callbacks of one download share.
struct Download {
  AtomicFile file;
  const ProgressFn& progress;
  std::int64_t bytes_left;
  std::string error;
};

std::size_t on_bytes(char* bytes, std::size_t size, std::size_t count, void* raw) {
  auto& download = *static_cast<Download*>(raw);
  try {
    const auto length = static_cast<std::int64_t>(size * count);
    CHECK(length <= download.bytes_left, download.file.path(), ": the download is larger than expected");
    download.bytes_left -= length;
    download.file.write(std::string_view(bytes, size * count));
    return size * count;
  } catch (const std::exception& error) {
    download.error = error.what();
    return 0;  // ends the transfer
  }
}

int on_progress(void* raw, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
  static_cast<Download*>(raw)->progress(done, total);
  return interrupted() ? 1 : 0;
}

// Schemes have no case. To curl one to three slashes may follow.
bool is_https(const std::string& url) {
  return strncasecmp(url.c_str(), "https:", 6) == 0;
}

}  // namespace

void download_file(const std::string& url, const std::string& path, const ProgressFn& progress,
                   std::int64_t max_bytes) {
  const std::unique_ptr<CURL, CloseCurl> handle(curl_easy_init());
  CHECK(handle != nullptr, "libcurl cannot be started");
  Download download{AtomicFile(path), progress, max_bytes, ""};
  std::array<char, CURL_ERROR_SIZE> reason{};
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_PROTOCOLS_STR, "http,https,file");
  curl_easy_setopt(handle.get(), CURLOPT_REDIR_PROTOCOLS_STR, is_https(url) ? "https" : "http,https");
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(handle.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(handle.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, on_bytes);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &download);
  curl_easy_setopt(handle.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle.get(), CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(handle.get(), CURLOPT_XFERINFODATA, &download);
  const CURLcode code = curl_easy_perform(handle.get());
  if (interrupted()) throw Interrupted();
  CHECK(download.error.empty(), download.error);
  CHECK(code == CURLE_OK, url, ": the download failed: ", reason[0] != '\0' ? reason.data() : curl_easy_strerror(code));
  download.file.commit();
}

std::string downloaded_file(const std::string& folder, const std::string& url, const std::string& option,
                            std::int64_t max_bytes) {
  const std::string path = (std::filesystem::path(folder) / file_name_of_url(url)).string();
  if (std::filesystem::exists(path)) {
    std::cout << "Using " << path << "; delete it to have it downloaded again" << std::endl;
    return path;
  }
  std::cout << "Downloading " << url << " (" << option << " names a file that is here already)" << std::endl;
  Progress progress("Downloading, KiB", 0);
  const auto show = [&](std::int64_t done, std::int64_t total) {
    progress.update(done / 1024, total > 0 ? str_cat("of ", total / 1024) : "");
  };
  download_file(url, path, show, max_bytes);
  return path;
}

std::string file_name_of_url(const std::string& url) {
  const std::string path = url.substr(0, url.find_first_of("?#"));
  const std::size_t host = path.find("://");
  const std::size_t slash = path.rfind('/');
  const bool has_path = slash != std::string::npos && (host == std::string::npos || slash > host + 2);
  const std::string name = has_path ? path.substr(slash + 1) : "";
  CHECK(!name.empty() && name != "." && name != "..", "the address ", url, " names no file");
  return name;
}

}  // namespace attune
