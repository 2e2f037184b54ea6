// Turns the SMS Spam Collection into the train.csv, validation.csv and test.csv of the reference's spam experiments.
#include "apps/support/download.h"
#include "apps/support/interrupt.h"
#include "apps/support/main.h"
#include "apps/support/sms_spam.h"
#include "base/check.h"
#include "engine/io/locked_folder.h"
#include "engine/io/sha256.h"

namespace attune {
namespace {

constexpr std::int64_t kMaxDownload = 1 << 24;  // bytes; the publisher's archive has 203,415

struct SpamFlags {
  std::string output, file;
  std::string url = "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip";

  void declare(CommandLine& app) {
    app.add_option("--output", output, "Folder for the three files; other files of their names are not replaced")
        ->required();
    auto* from_file =
        app.add_option("--file", file, "SMSSpamCollection on this machine, or the .zip archive that has it");
    app.add_option("--url", url, "Address of the archive, which is downloaded without --file")
        ->excludes(from_file)
        ->capture_default_str();
  }
};

int prepare(const SpamFlags& flags) {
  ignore_closed_pipes();
  catch_interrupts("prepare_spam ends; nothing is written");
  const LockedFolder output(flags.output);
  const std::string path =
      flags.file.empty() ? downloaded_file(flags.output, flags.url, "--file", kMaxDownload) : flags.file;
  const std::string text = read_sms_collection(path);
  write_sms_splits(parse_sms_messages(text, path), flags.output);
  if (sha256_hex(text) != kSmsCollectionDigest)
    std::cerr << "prepare_spam: warning: " << path
              << ": is not the publisher's file, so that the three files are not the reference's byte for byte"
              << std::endl;
  std::cout << "Wrote train.csv, validation.csv and test.csv to " << flags.output << std::endl;
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  constexpr const char* kDescription =
      "Prepares the SMS Spam Collection: as many ham as spam messages, in train.csv (1,045 rows), validation.csv (149) "
      "and test.csv (300).";
  return attune::run_program({"prepare_spam", kDescription}, [&](attune::CommandLine& app) {
    attune::SpamFlags flags;
    flags.declare(app);
    return app.parse(argc, argv) ? attune::prepare(flags) : 0;
  });
}
