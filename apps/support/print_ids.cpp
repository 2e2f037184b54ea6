#include "apps/support/print_ids.h"

#include <cmath>
#include <functional>

#include "apps/support/id_report.h"
#include "base/check.h"
#include "json/value.h"

namespace attune {
namespace {

using Ids = std::vector<std::int32_t>;
using Texts = std::vector<std::string>;

void for_each_block(TextSource& texts, const std::function<void(const Texts&)>& visit) {
  constexpr std::size_t kBlock = 4096;
  for (Texts block = texts.next(kBlock); !block.empty(); block = texts.next(kBlock)) visit(block);
}

void print_row(const Tokenizer& tokenizer, const Ids& ids, bool as_tokens, std::ostream& out) {
  const char* gap = "";
  for (const std::int32_t id : ids) {
    out << gap;
    if (as_tokens)
      out << tokenizer.token(id);
    else
      out << id;
    gap = " ";
  }
  out << "\n";
}

void print_json(const Tokenizer& tokenizer, const Encoding& encoding, std::ostream& out) {
  json::Value tokens = json::Value::array();
  for (const std::int32_t id : encoding.ids) tokens.push_back(tokenizer.token(id));
  const json::Value row = json::Value::object({{"ids", json::Value::array_of(encoding.ids)},
                                               {"type_ids", json::Value::array_of(encoding.type_ids)},
                                               {"tokens", tokens}});
  out << row.dump() << "\n";
}

void print_digest(const Tokenizer& tokenizer, TextSource& texts, const EncodeOptions& options, std::ostream& out) {
  constexpr std::int64_t kUsualLength = 256;
  EncodeOptions whole = options;
  whole.max_length = 0;
  LengthReport lengths;
  IdDigest full, cut;
  for_each_block(texts, [&](const Texts& block) {
    for (const Ids& ids : tokenizer.encode_batch(block, whole)) {
      full.add(ids);
      lengths.add(ids.size());
    }
    if (options.max_length == 0) return;
    for (const Ids& ids : tokenizer.encode_batch(block, options)) cut.add(ids);
  });
  const std::int64_t limit = options.max_length > 0 ? options.max_length : kUsualLength;
  const auto rounded = [](double value, double unit) { return std::round(value * unit) / unit; };
  json::Value report = json::Value::object({{"rows", lengths.rows()},
                                            {"ids", lengths.total()},
                                            {"max_length", lengths.longest()},
                                            {"mean_length", rounded(lengths.mean(), 1e3)},
                                            {str_cat("share_over_", limit), rounded(lengths.share_over(limit), 1e5)},
                                            {"full", full.hex()}});
  if (options.max_length > 0) report.set(str_cat("truncated_", options.max_length), cut.hex());
  out << report.dump(1) << "\n";
}

}  // namespace

void print_ids(const Tokenizer& tokenizer, TextSource& texts, const EncodeOptions& options, const std::string& format,
               std::ostream& out) {
  if (format == "digest") {
    print_digest(tokenizer, texts, options, out);
  } else if (format == "lengths") {
    LengthReport lengths;
    for_each_block(texts, [&](const Texts& block) {
      for (const Ids& ids : tokenizer.encode_batch(block, options)) lengths.add(ids.size());
    });
    lengths.print(out);
  } else if (format == "jsonl") {
    for_each_block(texts, [&](const Texts& block) {
      for (const std::string& text : block) print_json(tokenizer, tokenizer.encode(text, options), out);
    });
  } else {
    for_each_block(texts, [&](const Texts& block) {
      for (const Ids& ids : tokenizer.encode_batch(block, options)) print_row(tokenizer, ids, format == "tokens", out);
    });
  }
}

}  // namespace attune
