// Files and texts with bytes changed, lost, doubled and cut off, JSON with members lost, swapped and of another kind;
// and what holds for all of them: they load and encode, or are refused in one line.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/pipeline.h"

namespace attune::testing {

// One to four small injuries.
inline std::string mutated(std::string bytes, RandomText& random) {
  static const std::string_view kPieces[] = {"\n",   "\n\n", "\"",           "{",       "}",       "[",  "]",
                                             ":",    ",",    "null",         "-1",      "1e99",    "##", "[UNK]",
                                             "\xFF", "\xC3", "\xED\xA0\x80", "\\ud800", "\\u0000", "\t"};
  for (std::uint32_t injuries = 1 + random.below(4); injuries > 0 && !bytes.empty(); --injuries) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    const std::size_t at = random.below(size), length = random.below(std::min(size, 20u));
    const std::string_view piece = kPieces[random.below(static_cast<std::uint32_t>(std::size(kPieces)))];
    switch (random.below(6)) {
      case 0:
        bytes[at] = static_cast<char>(random.below(256));
        break;
      case 1:
        bytes.erase(at, length);
        break;
      case 2:
        bytes.insert(at, bytes.substr(random.below(size), length));
        break;
      case 3:
        bytes.insert(at, piece);
        break;
      case 4:
        bytes.replace(at, std::min(length, bytes.size() - at), piece);
        break;
      default:
        bytes.resize(random.below(20) == 0 ? at : size - random.below(std::min(size, 4u)));
        break;
    }
  }
  return bytes;
}

// One to three values of a JSON text, wherever they stand, lost, replaced by another kind, or by another value of the
// file.
inline std::string mutated_json(const std::string& text, RandomText& random) {
  using Json = nlohmann::json;
  Json root = Json::parse(text);
  const auto pick = [&]() -> Json* {
    Json* value = &root;
    while (value->is_structured() && !value->empty() && (value == &root || random.below(4) != 0)) {
      auto child = value->begin();
      std::advance(child, random.below(static_cast<std::uint32_t>(value->size())));
      value = &*child;
    }
    return value;
  };
  for (std::uint32_t injuries = 1 + random.below(3); injuries > 0; --injuries) {
    static const Json kValues[] = {nullptr,
                                   true,
                                   false,
                                   0,
                                   -1,
                                   3,
                                   1e300,
                                   18446744073709551615u,
                                   "",
                                   "x",
                                   " ",
                                   "[UNK]",
                                   Json::array(),
                                   Json::object(),
                                   {1, 2},
                                   {{"type", "NFC"}},
                                   {{"type", "Sequence"}},
                                   "ByteLevel",
                                   "BPE",
                                   "A"};
    Json* const target = pick();
    switch (random.below(4)) {
      case 0:
        *target = kValues[random.below(static_cast<std::uint32_t>(std::size(kValues)))];
        break;
      case 1:
        *target = Json(*pick());
        break;
      case 2:
        target->clear();
        break;
      default:
        if (target->is_structured() && !target->empty()) {
          auto child = target->begin();
          std::advance(child, random.below(static_cast<std::uint32_t>(target->size())));
          target->erase(child);
        }
    }
  }
  return root.dump();
}

// Whether the parts can be read and put together; if so, encodes a few texts there and back.
inline bool works(const std::function<PipelineParts()>& read) {
  std::unique_ptr<Tokenizer> tokenizer;
  try {
    tokenizer = std::make_unique<Pipeline>(read());
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()), "");
    return false;
  }
  for (const char* text : {"", "unaffable [MASK] w\u00f6rds 42!", "\u4e2d\u6587 zzz \u0301"}) {
    const Encoding encoding = tokenizer->encode(text);
    EXPECT_EQ(encoding.ids.size(), encoding.type_ids.size());
    tokenizer->decode(encoding.ids);
    tokenizer->encode_pair(text, text, {.max_length = 16});
  }
  return true;
}

// Injures `content` again and again by `mutate`; read(content) is what is to stay orderly.
inline void expect_orderly(const std::string& content, const std::function<PipelineParts(const std::string&)>& read,
                           const std::function<std::string(const std::string&, RandomText&)>& mutate = mutated) {
  constexpr int kRounds = 5000;
  RandomText random(11);
  int working = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string injured = mutate(content, random);
    working += works([&] { return read(injured); });
  }
  EXPECT_GT(working, 0);        // small injuries sometimes do no harm,
  EXPECT_LT(working, kRounds);  // and often do
}

}  // namespace attune::testing
