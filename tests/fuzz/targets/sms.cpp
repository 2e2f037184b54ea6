// The messages of the SMS Spam Collection: rows of a label and a text, with quotes as pandas reads them.
#include <algorithm>

#include "apps/support/sms_spam.h"
#include "base/utf8.h"
#include "tests/fuzz/harness.h"

namespace attune::fuzz {

void run(std::string_view input) {
  const auto messages = parse_sms_messages(input, "messages");
  const auto ends = std::ranges::count_if(input, [](char c) { return c == '\n' || c == '\r'; });
  require(std::ssize(messages) <= ends + 1, "a row has a line of its own");
  for (const SmsMessage& message : messages) require(!utf8_error(message.text), "texts are UTF-8");
  if (!messages.empty()) accepted();
}

}  // namespace attune::fuzz
