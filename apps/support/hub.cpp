#include "apps/support/hub.h"

#include <filesystem>

#include "base/check.h"
#include "base/environment.h"
#include "base/read_file.h"

namespace attune {

namespace fs = std::filesystem;

std::string hub_cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const std::string folder = environment(name); !folder.empty()) return folder;
  if (const std::string home = environment("HF_HOME"); !home.empty()) return home + "/hub";
  return user_cache_folder() + "/huggingface/hub";
}

std::string find_in_hub_cache(const std::vector<std::string>& repositories) {
  for (const std::string& repository : repositories) {
    std::string folder = "models--";
    for (char c : repository) folder += c == '/' ? std::string("--") : std::string(1, c);
    const fs::path root = fs::path(hub_cache_folder()) / folder;
    if (!fs::exists(root / "refs" / "main")) continue;
    std::string revision = read_file((root / "refs" / "main").string());
    revision.erase(revision.find_last_not_of(" \r\n") + 1);
    const fs::path snapshot = root / "snapshots" / revision;
    if (fs::exists(snapshot / "config.json")) return snapshot.string();
  }
  throw Error(str_cat("the model ", repositories.front(), " is not in the cache ", hub_cache_folder(),
                      "; fetch it with: hf download ", repositories.front(), " (or name its folder with --model_dir)"));
}

}  // namespace attune
