// prepare_spam's rules: quotes as pandas reads them, the choice and the order of the messages, and archives.
#include "apps/support/sms_spam.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/read_file.h"
#include "base/torch_random.h"
#include "engine/io/csv.h"
#include "engine/io/files.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Texts = std::vector<std::string>;

Texts texts_of(std::string_view table) {
  Texts out;
  for (const SmsMessage& message : parse_sms_messages(table, "sms")) out.push_back(message.text);
  return out;
}

TEST(SmsMessages, QuotesCountAtTheBeginningOfAField) {
  EXPECT_EQ(texts_of("ham\tplain\nspam\tsays \"hi\"\n"), (Texts{"plain", "says \"hi\""}));
  EXPECT_EQ(texts_of("ham\t\"two\nlines\"\nham\tnext"), (Texts{"two\nlines", "next"}));
  EXPECT_EQ(texts_of("ham\t\"a\tb\"\nham\tnext"), (Texts{"a\tb", "next"}));
  EXPECT_EQ(texts_of("ham\t\"\"\"all\"\" of it\" and more\n"), (Texts{"\"all\" of it and more"}));
  EXPECT_EQ(texts_of("ham\t\"never closed\nham\tnext\n"), (Texts{"never closed\nham\tnext\n"}));
  EXPECT_EQ(texts_of("ham\tx\r\n\r\n\nham\ty\r"), (Texts{"x", "y"})) << "blank lines";
  EXPECT_EQ(texts_of("\"ham\"\tx"), (Texts{"x"})) << "a label in quotes";
  EXPECT_EQ(texts_of("ham\t\nham\tx"), (Texts{"", "x"}));
  const auto messages = parse_sms_messages("spam\ta\nham\tb", "sms");
  EXPECT_TRUE(messages[0].spam);
  EXPECT_FALSE(messages[1].spam);
  EXPECT_EQ(message_of([] { parse_sms_messages("ham\t\"a\nb\"\n\nHAM\tc", "sms"); }),
            "sms:4: is not ham or spam, a tab and a text: 'HAM', 2 fields");
  EXPECT_EQ(message_of([] { parse_sms_messages("ham\ta\tb", "sms"); }),
            "sms:1: is not ham or spam, a tab and a text: 'ham', 3 fields");
}

// Of 4,825 ham and 747 spam messages, as the publisher's file has; the permutations were computed by another program.
TEST(SmsSplits, HaveTheOrderOfTheReference) {
  std::vector<SmsMessage> messages;
  int ham = 0, spam = 0;
  for (int i = 0; i < 5572; ++i) {
    const bool is_spam = spam < 747 && i % 7 == 3;
    messages.push_back({is_spam, is_spam ? "spam " + std::to_string(spam++) : "ham " + std::to_string(ham++)});
  }
  ASSERT_EQ(spam, 747);
  const TempDir folder;
  write_sms_splits(messages, folder / "");
  std::vector<Texts> rows;
  Texts all;
  for (const char* name : {"train.csv", "validation.csv", "test.csv"}) {
    CsvReader reader(folder / name);
    EXPECT_EQ(reader.header(), (Texts{"Label", "Text"}));
    Texts& texts = rows.emplace_back();
    for (Texts fields; reader.next(fields);) {
      EXPECT_EQ(fields[0], fields[1].starts_with("spam") ? "1" : "0");
      texts.push_back(fields[1]);
    }
    all.insert(all.end(), texts.begin(), texts.end());
  }
  EXPECT_EQ(rows[0].size(), 1045u);
  EXPECT_EQ(rows[1].size(), 149u);
  EXPECT_EQ(rows[2].size(), 300u);
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), 1494u);
  // The chosen ham messages begin with these; the rows of both kinds begin, after two permutations, with those.
  const std::vector<int> chosen = {3720, 3580, 4182, 3858, 4713}, places = {458, 939, 1214, 1084, 268, 267, 893, 661};
  const auto sample = numpy_permutation(123, 4825);
  EXPECT_TRUE(std::equal(chosen.begin(), chosen.end(), sample.begin()));
  for (std::size_t row = 0; row < places.size(); ++row) {
    const int place = places[row];
    const std::string expected = place < 747 ? "ham " + std::to_string(sample[static_cast<std::size_t>(place)])
                                             : "spam " + std::to_string(place - 747);
    EXPECT_EQ(all[row], expected) << row;
  }
}

TEST(SmsCollection, IsReadOutOfAnArchive) {
  const TempDir folder;
  const auto write = [&](const std::string& name, const std::string& text) {
    const std::string path = folder / "messages.zip";
    archive* writer = archive_write_new();
    archive_write_set_format_zip(writer);
    EXPECT_EQ(archive_write_open_filename(writer, path.c_str()), ARCHIVE_OK);
    for (const auto& [member, bytes] : {std::pair<std::string, std::string>{"readme", "other"}, {name, text}}) {
      archive_entry* entry = archive_entry_new();
      archive_entry_set_pathname(entry, member.c_str());
      archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_perm(entry, 0644);
      archive_write_header(writer, entry);
      archive_write_data(writer, bytes.data(), bytes.size());
      archive_entry_free(entry);
    }
    archive_write_close(writer);
    archive_write_free(writer);
    return path;
  };
  std::string path = write("SMSSpamCollection", "ham\thello\n");
  EXPECT_EQ(read_sms_collection(path), "ham\thello\n");
  EXPECT_EQ(read_sms_collection(write("folder/SMSSpamCollection", "spam\tx\n")), "spam\tx\n");
  write_file(folder / "SMSSpamCollection", "ham\tplain\n");
  EXPECT_EQ(read_sms_collection(folder / "SMSSpamCollection"), "ham\tplain\n");
  path = write("another", "ham\thello\n");
  EXPECT_EQ(message_of([&] { read_sms_collection(path); }), path + ": has no file SMSSpamCollection");
  path = write("SMSSpamCollection", std::string((std::size_t{1} << 24) + 1, 'x'));
  EXPECT_EQ(message_of([&] { read_sms_collection(path); }),
            path + ": SMSSpamCollection unpacks to more than 16777216 bytes; that is not the data set");
  const std::string whole = read_file(write("SMSSpamCollection", std::string(5000, 'y')));
  for (const std::size_t length : {std::size_t{10}, whole.size() / 2}) {
    write_file(path, whole.substr(0, length));
    EXPECT_THROW(read_sms_collection(path), Error) << length;
  }
}

}  // namespace
}  // namespace attune::testing
