// The SMS Spam Collection (Almeida, Hidalgo and Yamakami, DocEng 2011) as the reference's spam experiments split it.
//
// The file has a message per line: ham or spam, a tab, and the text. It is read as pandas reads it: a text that begins
// with a double quote goes on to the next one, also over the ends of lines, so that 5,572 messages are found in 5,574
// lines. As many ham messages as there are spam messages are chosen; with S the number of both, they are put in the
// order of NumPy's permutation of seed 123, twice, and cut into int(0.7 S) for training, int(0.1 S) for validation and
// the rest for the test. Every permutation is that of RandomState(123).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attune {

struct SmsMessage {
  bool spam;
  std::string text;
};

/// The messages of a text. Throws Error naming `path` and the line of a row that is not a label, a tab and a text; or
/// if it is not UTF-8.
std::vector<SmsMessage> parse_sms_messages(std::string_view text, const std::string& path);

/// The text of the file SMSSpamCollection: of the file itself, or out of a .zip archive that has it. Throws IoError or
/// Error naming the file, also if it is larger than 16 MiB.
std::string read_sms_collection(const std::string& path);

/// The SHA-256 of the publisher's text.
inline constexpr std::string_view kSmsCollectionDigest =
    "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d";

/// Writes train.csv, validation.csv and test.csv into a folder that exists, with the columns Label (0: ham, 1: spam)
/// and Text, as the reference's pandas writes them. Throws IoError, or Error if there are more spam than ham messages
/// or too few for three files.
void write_sms_splits(const std::vector<SmsMessage>& messages, const std::string& folder);

}  // namespace attune
