// A set of files that is replaced together: whichever step of a commit is the last, a reader of the key file finds the
// files of one set; and the lock of a folder.
#include "engine/io/file_set.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "engine/io/locked_folder.h"
#include "engine/io/temporary_names.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

extern "C" {
int __real_rename(const char* from, const char* to);
int __real_link(const char* from, const char* to);
int __real_unlink(const char* path);
}

namespace attune::testing {
namespace {

// Calls of the system that fail while a set is committed, and the one before which the process ends as if it were killed.
// All of rename, link, unlink and fsync are counted, from 0 on.
struct Faults {
  enum class Lasting : std::uint8_t { kNo, kRename, kRenameAndLink };

  static constexpr std::size_t kNever = ~std::size_t{0};

  std::size_t first;  // fails, unless it is an unlink
  Lasting lasting;    // what fails from then on
  std::size_t killed_at = kNever;
  std::size_t second = kNever;  // fails too, and a link that is tried instead of it
  std::size_t calls = 0, links = 0;
};
Faults* faults = nullptr;  // null: no call fails

constexpr int kKilled = 10;  // exit code

enum class Call : std::uint8_t { kRename, kLink, kUnlink, kSync };
bool fails(Call call) {
  if (faults == nullptr) return false;
  const std::size_t at = faults->calls++;
  if (at == faults->killed_at) _exit(kKilled);
  faults->links += call == Call::kLink ? 1 : 0;
  const bool first = at == faults->first && call != Call::kUnlink;
  const bool later =
      at > faults->first && ((call == Call::kRename && faults->lasting != Faults::Lasting::kNo) ||
                             (call == Call::kLink && faults->lasting == Faults::Lasting::kRenameAndLink));
  const bool second =
      (at == faults->second && call != Call::kUnlink) || (at > 0 && at - 1 == faults->second && call == Call::kLink);
  if (first || second || later) errno = EIO;
  return first || second || later;
}

FileSet set_of(const std::string& folder, const std::string& text) {
  FileSet files(folder, "key");
  for (const char* name : {"one", "key", "two"}) files.add(name, text);
  files.supersede("older");
  files.supersede("two");
  return files;
}

// A process that is killed after some steps of a commit.
void commit_killed_after(const std::string& folder, std::size_t steps) {
  const pid_t child = fork();
  if (child == 0) {
    FileSet files = set_of(folder, "new");
    const auto end = [&] {
      if (steps-- == 0) _exit(0);  // as a killed process: no destructor runs
    };
    end();
    files.commit(end);
    _exit(1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

// The contents of a folder's files, by name.
std::map<std::string, std::string> contents_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> out;
  for (const std::string& name : files_of(folder.string())) out[name] = read_file((folder / name).string());
  return out;
}

// With an old set, the next process that locks the folder finds the old set or the new one, whole and alone.
TEST(FileSets, AKilledCommitIsFinishedOrUndone) {
  const std::map<std::string, std::string> old_set = {{"key", "old"}, {"older", "old"}, {"one", "old"}, {"two", "old"}},
                                           new_set = {{"key", "new"}, {"one", "new"}, {"two", "new"}};
  const auto make_old = [](const TempDir& dir) {
    set_of(dir.path().string(), "old").commit();
    write_file(dir / "older", "old");
  };
  const TempDir counted;
  make_old(counted);
  std::size_t steps = 0;
  set_of(counted.path().string(), "new").commit([&] { ++steps; });
  EXPECT_EQ(contents_of(counted.path()), new_set);
  std::size_t found_old = 0, found_new = 0, without_key = 0;
  for (std::size_t last = 0; last <= steps; ++last) {
    const TempDir dir;
    make_old(dir);
    commit_killed_after(dir.path().string(), last);
    if (!std::filesystem::exists(dir / "key")) {
      ++without_key;
    } else {
      const std::string key = read_file(dir / "key");
      for (const char* name : {"one", "two"}) EXPECT_EQ(read_file(dir / name), key) << name << " after step " << last;
    }
    const LockedFolder next(dir.path().string());
    const auto found = contents_of(dir.path());
    if (found == old_set) ++found_old;
    if (found == new_set) ++found_new;
    EXPECT_TRUE(found == old_set || found == new_set) << "after step " << last << ": " << found.size() << " files";
    EXPECT_TRUE(found == new_set || found_new == 0) << "an older state after a newer one, step " << last;
  }
  EXPECT_GT(found_old, 0u);
  EXPECT_GT(found_new, 0u);
  EXPECT_GT(without_key, 3u);
}

// Without an old key nothing is lost: there is no set, or the new one.
TEST(FileSets, AKilledFirstCommitLeavesTheNewSetOrNoKey) {
  std::set<std::string> found;
  for (std::size_t last = 0; last < 8; ++last) {
    const TempDir dir;
    commit_killed_after(dir.path().string(), last);
    const LockedFolder next(dir.path().string());
    const auto contents = contents_of(dir.path());
    found.insert(contents.contains("key") ? contents.at("key") : "none");
    if (contents.contains("key")) {
      EXPECT_EQ(contents.size(), 3u) << last;
      for (const char* name : {"one", "two"}) EXPECT_EQ(contents.at(name), "new") << name << " after step " << last;
    }
    for (const auto& [name, text] : contents) EXPECT_EQ(name.find(".attune-"), std::string::npos) << name;
  }
  EXPECT_EQ(found, (std::set<std::string>{"new", "none"}));
}

// Nor are files that were there before and are of no set, as a tokenizer that the user has put there.
TEST(FileSets, AKilledFirstCommitKeepsWhatWasThere) {
  const std::map<std::string, std::string> before = {{"older", "user's"}, {"two", "user's"}};
  std::size_t steps = 0, kept = 0;
  for (std::size_t last = 0; last <= steps; ++last) {
    const TempDir dir;
    for (const auto& [name, text] : before) write_file(dir / name, text);
    if (last == 0) {
      const TempDir counted;
      for (const auto& [name, text] : before) write_file(counted / name, text);
      set_of(counted.path().string(), "new").commit([&] { ++steps; });
    }
    commit_killed_after(dir.path().string(), last);
    const LockedFolder next(dir.path().string());
    auto found = contents_of(dir.path());
    if (found.contains("key")) {
      EXPECT_EQ(found, (std::map<std::string, std::string>{{"key", "new"}, {"one", "new"}, {"two", "new"}})) << last;
      continue;
    }
    found.erase("one");
    EXPECT_EQ(found, before) << "after step " << last;
    ++kept;
  }
  EXPECT_GT(kept, 5u);
}

// A reader that comes while the key is aside does not interfere.
TEST(FileSets, ACommitThatIsGoingOnIsNotFinishedByOthers) {
  const TempDir dir;
  const std::string folder = dir.path().string();
  set_of(folder, "old").commit();
  std::size_t refused = 0;
  set_of(folder, "new").commit([&] {
    const std::string message = message_of([&] { finish_set_without_key(folder, "key"); });
    if (message.find("is writing to this folder") != std::string::npos) ++refused;
    EXPECT_EQ(message.empty(), std::filesystem::exists(dir / "key")) << message;
  });
  EXPECT_GT(refused, 3u);
  EXPECT_EQ(contents_of(dir.path()),
            (std::map<std::string, std::string>{{"key", "new"}, {"one", "new"}, {"two", "new"}}));
}

// A process may be killed while it finishes what another one has begun.
TEST(FileSets, FinishingMayBeInterruptedToo) {
  for (const bool forward : {false, true}) {
    const TempDir dir;
    write_file(dir / (forward ? "key.attune-replaced-key-abcdef" : "key.attune-old-key-abcdef"), "old");
    write_file(dir / "one", forward ? "new" : "old");  // it was moved already
    write_file(dir / "two.attune-old-abcdef", "old");
    write_file(dir / "two.attune-temporary-abcdef", "new");
    write_file(dir / "key.attune-temporary-abcdef", "new");
    finish_interrupted_commit(dir.path().string());
    const std::string text = forward ? "new" : "old";
    EXPECT_EQ(contents_of(dir.path()),
              (std::map<std::string, std::string>{{"key", text}, {"one", text}, {"two", text}}));
  }
}

// A file that cannot be put in place, because its temporary has gone, undoes the commit.
TEST(FileSets, AFailedCommitPutsTheOldSetBack) {
  for (const char* failing : {"one", "two", "key"}) {
    const TempDir dir;
    const std::string folder = dir.path().string();
    set_of(folder, "old").commit();
    write_file(dir / "older", "old");
    std::filesystem::remove(dir / "two");  // the new set has one file more
    FileSet files = set_of(folder, "new");
    for (const std::string& name : files_of(folder))
      if (name.starts_with(std::string(failing) + ".attune-temporary-")) std::filesystem::remove(dir / name);
    EXPECT_NE(message_of([&] { files.commit(); }).find("cannot be put in place"), std::string::npos) << failing;
    for (const char* name : {"older", "one", "key"}) EXPECT_EQ(read_file(dir / name), "old") << name << ", " << failing;
    EXPECT_FALSE(std::filesystem::exists(dir / "two")) << failing;
  }
}

// The old set, in which a file of the new one is not: it must go again.
const std::map<std::string, std::string> kOldFiles = {{"key", "old"}, {"older", "old"}, {"one", "old"}},
                                         kNewFiles = {{"key", "new"}, {"one", "new"}, {"two", "new"}};
void write_old_files(const TempDir& dir) {
  for (const auto& [name, text] : kOldFiles) std::ofstream(dir / name) << text;
}

// Where a file cannot be renamed any more, it is linked.
TEST(FileSets, AFailedCommitPutsTheOldSetBackWithoutRenaming) {
  std::size_t failed = 0, links = 0;
  for (std::size_t first = 0;; ++first) {
    const TempDir dir;
    write_old_files(dir);
    Faults what{.first = first, .lasting = Faults::Lasting::kRename};
    std::string message;
    {
      FileSet files = set_of(dir.path().string(), "new");
      faults = &what;
      message = message_of([&] { files.commit(); });
      faults = nullptr;
    }
    links += what.links;
    EXPECT_EQ(contents_of(dir.path()), message.empty() ? kNewFiles : kOldFiles) << "from call " << first << " on";
    if (message.empty()) break;
    ++failed;
  }
  EXPECT_GT(failed, 15u);
  EXPECT_GT(links, failed);
}

// How a commit in a process of its own ended: the exit code.
int disturbed_commit(const std::string& folder, Faults what) {
  const pid_t child = fork();
  if (child == 0) {
    int code = 0;
    {
      FileSet files = set_of(folder, "new");
      faults = &what;
      code = message_of([&] { files.commit(); }).empty() ? 0 : 1;
    }
    _exit(code);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

// Whatever happens to a commit, who reads the folder next finds one set. Returns the exit code of the commit's process.
int expect_one_set(const Faults& what) {
  const TempDir dir;
  write_old_files(dir);
  const int code = disturbed_commit(dir.path().string(), what);
  const std::string where = str_cat("calls ", what.first, " and ", what.second, " failed, mode ",
                                    static_cast<int>(what.lasting), ", killed at ", what.killed_at);
  if (std::filesystem::exists(dir / "key")) {
    auto found = contents_of(dir.path());
    std::erase_if(found, [](const auto& file) { return parse_marked_name(file.first).has_value(); });
    EXPECT_TRUE(found == kOldFiles || found == kNewFiles) << where;
  }
  const LockedFolder next(dir.path().string());
  const auto found = contents_of(dir.path());
  EXPECT_TRUE(found == kOldFiles || found == kNewFiles) << where << ": " << found.size() << " files";
  return code;
}

// A process that is killed while it undoes a commit, or that can undo it no more.
TEST(FileSets, AFailedCommitThatIsKilledLeavesOneSet) {
  std::map<int, std::size_t> ends;
  for (const auto lasting : {Faults::Lasting::kNo, Faults::Lasting::kRename, Faults::Lasting::kRenameAndLink}) {
    int code = kKilled;
    for (std::size_t first = 0; code != 0; ++first) {  // 0: the call that was to fail came never
      code = kKilled;
      for (std::size_t last = first + 1; code == kKilled; ++last)
        ++ends[code = expect_one_set({.first = first, .lasting = lasting, .killed_at = last})];
    }
  }
  EXPECT_GT(ends[kKilled], 100u);
  EXPECT_GT(ends[1], 30u);
}

// One step of undoing fails, and then the process is killed.
TEST(FileSets, AFailedUndoThatIsKilledLeavesOneSet) {
  std::size_t killed = 0;
  int code = kKilled;
  for (std::size_t first = 0; code != 0; ++first) {
    bool came = true;  // the second call
    for (std::size_t second = first + 1; came; ++second) {
      std::size_t last = second;
      do {
        ++last;
        code = expect_one_set({.first = first, .lasting = Faults::Lasting::kNo, .killed_at = last, .second = second});
      } while (code == kKilled);
      killed += last - second - 1;
      came = last > second + 1;
    }
  }
  EXPECT_GT(killed, 100u);
}

TEST(FileSets, OlderFilesGo) {
  const TempDir dir;
  for (const char* name : {"older", "other"}) write_file(dir / name, "old");
  set_of(dir.path().string(), "new").commit();
  EXPECT_FALSE(std::filesystem::exists(dir / "older"));
  EXPECT_EQ(read_file(dir / "other"), "old");
  EXPECT_EQ(read_file(dir / "two"), "new");
}

TEST(FileSets, AFolderInThePlaceOfAFileChangesNothing) {
  const TempDir dir;
  set_of(dir.path().string(), "old").commit();
  std::filesystem::remove(dir / "one");
  std::filesystem::create_directory(dir / "one");
  EXPECT_EQ(message_of([&] { set_of(dir.path().string(), "new").commit(); }),
            (dir / "one") + ": is a folder, where a file is to be written");
  EXPECT_EQ(read_file(dir / "key"), "old");
  EXPECT_EQ(read_file(dir / "two"), "old");
}

TEST(FileSets, AFolderInThePlaceOfAnOlderFileChangesNothing) {
  const TempDir dir;
  set_of(dir.path().string(), "old").commit();
  std::filesystem::create_directory(dir / "older");
  EXPECT_EQ(message_of([&] { set_of(dir.path().string(), "new").commit(); }),
            (dir / "older") + ": is a folder, where a file is to be written");
  for (const char* name : {"one", "key", "two"}) EXPECT_EQ(read_file(dir / name), "old") << name;
}

TEST(LockedFolders, OneProcessHasTheFolder) {
  const TempDir dir;
  const std::string folder = dir / "made";
  {
    const LockedFolder first(folder);
    EXPECT_EQ(message_of([&] { const LockedFolder second(folder); }),
              folder + ": another run (process " + std::to_string(getpid()) + ") is writing to this folder");
    EXPECT_TRUE(std::filesystem::exists(folder));
  }
  EXPECT_FALSE(std::filesystem::exists(folder)) << "an empty folder that a run made stays";
  {
    const LockedFolder again(folder);
    write_file(folder + "/file", "");
  }
  EXPECT_TRUE(std::filesystem::exists(folder));
  { const LockedFolder found(folder); }
  EXPECT_TRUE(std::filesystem::exists(folder + "/file"));
}

}  // namespace
}  // namespace attune::testing

// The linker sends these calls of the library here (--wrap in CMakeLists.txt). Nothing is synced: no disk is lost here.
extern "C" {
int __wrap_rename(const char* from, const char* to) {
  return attune::testing::fails(attune::testing::Call::kRename) ? -1 : __real_rename(from, to);
}
int __wrap_link(const char* from, const char* to) {
  return attune::testing::fails(attune::testing::Call::kLink) ? -1 : __real_link(from, to);
}
int __wrap_unlink(const char* path) {
  return attune::testing::fails(attune::testing::Call::kUnlink) ? -1 : __real_unlink(path);
}
int __wrap_fsync(int /*fd*/) {
  return attune::testing::fails(attune::testing::Call::kSync) ? -1 : 0;
}
}
