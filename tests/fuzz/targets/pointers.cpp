// Small files that name others: the newest checkpoint of a run, the revision of a model in the Hugging Face cache; the
// options of a run, and the finished runs of several seeds; and a log that a run goes on with. Input: a number, the file.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "apps/support/hub.h"
#include "apps/support/report.h"
#include "apps/support/run_file.h"
#include "apps/support/seed_runs.h"
#include "engine/train/checkpoints.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/fuzz/harness.h"

namespace attune::fuzz {

void run(std::string_view input) {
  static MemoryFolder folder({"latest", "models--a--b/refs/main", "step-00000001.safetensors",
                              "models--a--b/snapshots/1f/config.json", "run.json", "seeds.json"});
  static const bool set = setenv("HF_HUB_CACHE", folder.path().c_str(), 1) == 0;
  static MemoryFile log;
  require(set, "the environment can be set");
  const auto parts = parts_of(input, 2);
  folder.put(0, parts[1]);
  folder.put(1, parts[1]);
  folder.put(2, "");
  folder.put(3, "{}");
  folder.put(4, parts[1]);
  folder.put(5, parts[1]);
  succeeds([&] { (void)options_of_run(folder.path() + "/run.json", "train_gpt"); });
  if (parts[1].starts_with('{')) succeeds([&] { (void)read_seed_record(folder.path() + "/seeds.json", "train_gpt"); });
  succeeds([&] { require(std::filesystem::exists(find_checkpoint(folder.path())), "what is found is there"); });
  succeeds([&] { require(std::filesystem::exists(find_in_hub_cache({"a/b"}) + "/config.json"), "it is there"); });
  log.replace(parts[1]);
  const std::int64_t offset = std::strtoll(std::string(parts[0]).c_str(), nullptr, 10);
  const std::string kept(parts[1].substr(0, static_cast<std::size_t>(std::max<std::int64_t>(offset, 0))));
  const TrainReport report(log.path(), testing::two_classes(), ReportState{LogState{offset, sha256_hex(kept)}, ""});
  require(report.state().log->bytes <= std::ssize(parts[1]), "a log that goes on has no more lines than before");
  accepted();
}

}  // namespace attune::fuzz
