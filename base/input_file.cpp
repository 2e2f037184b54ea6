#include "base/input_file.h"

#include <sys/stat.h>

#include "base/check.h"

namespace attune {

void refuse_lfs_pointer(const std::string& path, std::string_view bytes) {
  if (bytes.starts_with("version https://git-lfs.github.com/"))
    throw IoError(path, "is a pointer of Git LFS, not the file itself (git lfs pull fetches it)");
}

void check_regular(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) throw IoError(path, kNotRegular);
}

}  // namespace attune
