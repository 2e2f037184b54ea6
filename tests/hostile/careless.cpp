// A program that makes the mistakes that faults_test.sh looks for: it takes a short write for a whole one, does not check
// an allocation, and leaves its temporary file where a rename fails.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int, char** argv) {
  const std::string path = argv[1], temporary = path + ".attune-temporary-aaaaaa";
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0) {
    std::fputs("careless: error: cannot be created\n", stderr);
    return 1;
  }
  auto* text = static_cast<char*>(std::malloc(1000));
  std::snprintf(text, 1000, "complete.");
  const bool written = write(fd, text, 1000) > 0;
  std::free(text);
  close(fd);
  if (written && rename(temporary.c_str(), path.c_str()) == 0) return 0;
  std::fputs("careless: error: cannot be written\n", stderr);
  return 1;
}
