// Turns the IMDb review set into the train.csv, validation.csv and test.csv of the reference recipe; or makes a small
// invented set of the same form.
#include <array>
#include <utility>

#include "apps/support/download.h"
#include "apps/support/imdb.h"
#include "apps/support/interrupt.h"
#include "apps/support/main.h"
#include "apps/support/progress.h"
#include "apps/support/synthetic_reviews.h"
#include "engine/io/csv.h"
#include "engine/io/file_set.h"
#include "engine/io/locked_folder.h"

namespace attune {
namespace {

struct ImdbFlags {
  std::string output, archive, folder;
  std::string url = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz";
  bool synthetic = false;

  void declare(CommandLine& app) {
    app.add_option("--output", output, "Folder for the three files; other files of their names are not replaced")
        ->required();
    auto* from_archive = app.add_option("--archive", archive, "aclImdb_v1.tar.gz (or .tar.xz) on this machine");
    auto* from_folder = app.add_option("--folder", folder, "The extracted archive")->excludes(from_archive);
    auto* from_url =
        app.add_option("--url", url, "Address of the archive, which is downloaded without --archive and --folder")
            ->excludes(from_archive)
            ->excludes(from_folder)
            ->capture_default_str();
    app.add_flag("--synthetic", synthetic, "Write invented reviews instead, for a first try")
        ->excludes(from_archive)
        ->excludes(from_folder)
        ->excludes(from_url);
  }
};

// The archive named, or the one downloaded into the output folder.
std::string archive_path(const ImdbFlags& flags) {
  return flags.archive.empty() ? downloaded_file(flags.output, flags.url, "--archive") : flags.archive;
}

// Invented reviews: 8,000 for training, 300 each for validation and test, three labels in a hundred wrong.
void write_synthetic(const std::string& folder) {
  constexpr std::array<std::pair<const char*, std::int64_t>, 3> kSplits = {
      {{"train.csv", 8000}, {"validation.csv", 300}, {"test.csv", 300}}};
  constexpr double kNoise = 0.03;
  std::uint64_t seed = 1;
  FileSet files(folder, "train.csv");
  for (const auto& [name, rows] : kSplits) {
    std::string text = "text,label\n";
    for (const LabelledText& review : synthetic_reviews(seed++, rows, kNoise))
      text += csv_field(review.text) + "," + std::to_string(review.label) + "\n";
    files.add(name, text);
  }
  files.refuse_to_replace();
  files.commit();
}

int prepare(const ImdbFlags& flags) {
  ignore_closed_pipes();
  catch_interrupts("prepare_imdb ends; nothing is written");
  const LockedFolder output(flags.output);
  if (flags.synthetic) {
    write_synthetic(flags.output);
  } else {
    std::vector<ImdbReview> reviews;
    const std::string archive = flags.folder.empty() ? archive_path(flags) : "";
    Progress progress("Reading reviews", 50000);
    const ProgressFn show = [&](std::int64_t done, std::int64_t) { progress.update(done); };
    reviews = flags.folder.empty() ? read_imdb_archive(archive, show) : read_imdb_folder(flags.folder, show);
    write_imdb_splits(reviews, flags.output);
    if (const std::string name = differing_split(flags.output); !name.empty())
      std::cerr << "prepare_imdb: warning: " << name
                << " is not the reference recipe's byte for byte: the reviews have been "
                << "changed or damaged" << std::endl;
  }
  std::cout << "Wrote train.csv, validation.csv and test.csv to " << flags.output << std::endl;
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  constexpr const char* kDescription =
      "Prepares the IMDb reviews: train.csv (35,000 rows), validation.csv (5,000) and test.csv (10,000).";
  return attune::run_program({"prepare_imdb", kDescription}, [&](attune::CommandLine& app) {
    attune::ImdbFlags flags;
    flags.declare(app);
    return app.parse(argc, argv) ? attune::prepare(flags) : 0;
  });
}
