// Redirects of a download, by two servers of this process, one of them with TLS: none leads from https to http.
#include "apps/support/download.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/check.h"
#include "engine/io/files.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

// The TLS server has no certificate, which a download refuses; everything else is as the download has set it.
constexpr const char* kWithoutCertificate = "aNULL:@SECLEVEL=0";
extern "C" CURLcode __real_curl_easy_perform(CURL* handle);
extern "C" CURLcode __wrap_curl_easy_perform(CURL* handle) {
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
  curl_easy_setopt(handle, CURLOPT_SSL_CIPHER_LIST, kWithoutCertificate);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  return __real_curl_easy_perform(handle);
}

namespace attune::testing {
namespace {

namespace fs = std::filesystem;

// Answers one request of each connection: /found with bytes, /to/ADDRESS with a redirect.
class Server {
 public:
  explicit Server(bool tls) : tls_(tls), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    CHECK(bind(listener_, raw, size) == 0 && listen(listener_, 8) == 0 && getsockname(listener_, raw, &size) == 0,
          "no socket");
    port_ = ntohs(address.sin_port);
    SSL_CTX_set_max_proto_version(context_, TLS1_2_VERSION);  // later ones need a certificate
    CHECK(SSL_CTX_set_cipher_list(context_, kWithoutCertificate) == 1, "no ciphers");
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    SSL_CTX_free(context_);
  }
  Server(const Server&) = delete;

  std::string address(const std::string& path) const {
    return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_) + path;
  }
  int connections() const { return connections_; }

 private:
  void serve() {
    for (int peer = accept(listener_, nullptr, nullptr); peer >= 0; peer = accept(listener_, nullptr, nullptr)) {
      ++connections_;
      char request[4096];
      if (tls_) {
        SSL* ssl = SSL_new(context_);
        SSL_set_fd(ssl, peer);
        if (SSL_accept(ssl) == 1) {
          const int size = SSL_read(ssl, request, sizeof request);
          const std::string out = answer({request, static_cast<std::size_t>(std::max(size, 0))});
          SSL_write(ssl, out.data(), static_cast<int>(out.size()));
          SSL_shutdown(ssl);
        }
        SSL_free(ssl);
      } else {
        const ssize_t size = recv(peer, request, sizeof request, 0);
        const std::string out = answer({request, static_cast<std::size_t>(std::max<ssize_t>(size, 0))});
        send(peer, out.data(), out.size(), MSG_NOSIGNAL);
      }
      close(peer);
    }
  }
  static std::string answer(const std::string& request) {
    const std::string path = request.substr(4, request.find(' ', 4) - 4);
    if (path.starts_with("/to/"))
      return "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: " + path.substr(4) + "\r\n\r\n";
    return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nbytes";
  }

  bool tls_;
  int listener_, port_ = 0;
  SSL_CTX* context_ = SSL_CTX_new(TLS_server_method());
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

class Redirects : public ::testing::Test {
 protected:
  // The error, empty after a download that wrote the bytes.
  std::string download(const std::string& url) {
    const TempDir folder;
    std::string message = message_of([&] { download_file(url, folder / "target", [](std::int64_t, std::int64_t) {}); });
    EXPECT_EQ(fs::exists(folder / "target"), message.empty()) << url;
    EXPECT_EQ(message.empty() ? read_file(folder / "target") : "bytes", "bytes");
    return message;
  }

  Server plain_{false}, secure_{true};
};

TEST_F(Redirects, AreFollowed) {
  EXPECT_EQ(download(plain_.address("/found")), "");
  EXPECT_EQ(download(secure_.address("/found")), "");
  EXPECT_EQ(download(plain_.address("/to/" + plain_.address("/found"))), "");
  EXPECT_EQ(download(plain_.address("/to/" + secure_.address("/found"))), "");
  EXPECT_EQ(download(secure_.address("/to/" + secure_.address("/found"))), "");
}

// An address, and those in it, with one slash where two belong; curl takes them for the same.
std::string one_slash(std::string url) {
  for (std::size_t at = url.find("://"); at != std::string::npos; at = url.find("://")) url.erase(at + 1, 1);
  return url;
}

TEST_F(Redirects, NeverFromHttpsToHttp) {
  const std::string url = secure_.address("/to/" + plain_.address("/found"));
  for (const std::string& each : {url, "HTTPS" + url.substr(5), one_slash(url), secure_.address("/to/" + url),
                                  secure_.address("/to/file:///etc/hostname")}) {
    const std::string message = download(each);
    EXPECT_TRUE(message.starts_with(each + ": the download failed: Protocol ")) << message;
  }
  EXPECT_EQ(plain_.connections(), 0);
}

}  // namespace
}  // namespace attune::testing
