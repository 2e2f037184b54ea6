#include "tokenizer/pipeline.h"

#include "base/check.h"
#include "tokenizer/utf8.h"

namespace attune {
namespace {

// Length of the maximal subpart: the longest prefix of `bytes` (which do not begin with a valid sequence) that could
// begin one, and at least 1.
std::size_t broken_length(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (lead < 0xC2 || lead > 0xF4 || bytes.size() < 2) return 1;
  const auto second = static_cast<unsigned char>(bytes[1]);
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (second < low || second > high) return 1;
  return bytes.size() < 3 || !utf8::is_continuation(bytes[2]) ? 2 : 3;
}

// Valid UTF-8 from any bytes: each maximal prefix of a sequence that breaks off becomes one U+FFFD (Unicode standard,
// section 3.9, "substitution of maximal subparts").
std::string utf8_with_replacements(std::string_view bytes) {
  std::string out;
  while (true) {
    const auto bad = utf8_error(bytes);
    if (!bad) return out += bytes;
    out += bytes.substr(0, *bad);
    out += "\uFFFD";
    bytes.remove_prefix(*bad + broken_length(bytes.substr(*bad)));
  }
}

}  // namespace

Pipeline::Pipeline(PipelineParts parts) : parts_(std::move(parts)) {
  parts_.vocabulary.check_complete();
  added_ = AddedTokens(parts_.added_tokens, [this](std::string_view text) {
    std::string out;
    return parts_.model->normalize(text, out) ? out : std::string(text);
  });
}

std::vector<std::int32_t> Pipeline::text_ids(std::string_view text, bool parse_special, std::size_t limit) const {
  utf8::check_utf8(text, "text");
  std::vector<std::int32_t> ids;
  std::vector<TextPart> raw_parts, parts;
  std::string normal_form;
  added_.raw().split(text, parse_special, raw_parts);
  for (const TextPart& raw : raw_parts) {
    if (ids.size() >= limit) break;
    if (raw.id >= 0) {
      ids.push_back(raw.id);
      continue;
    }
    parts.clear();
    const bool changed = parts_.model->normalize(raw.text, normal_form);
    added_.normalized().split(changed ? normal_form : raw.text, parse_special, parts);
    for (const TextPart& part : parts) {
      if (ids.size() >= limit) break;
      if (part.id >= 0)
        ids.push_back(part.id);
      else
        parts_.model->encode(part.text, limit, ids);
    }
  }
  return ids;
}

Encoding Pipeline::encode(std::string_view text, const EncodeOptions& options) const {
  // One id more than fits shows that the text is cut.
  const auto limit = static_cast<std::size_t>(parts_.post_template.room(options, /*pair=*/false)) + 1;
  return parts_.post_template.apply(text_ids(text, options.parse_special, limit), options);
}

Encoding Pipeline::encode_pair(std::string_view a, std::string_view b, const EncodeOptions& options) const {
  // The cut of a text depends on the length of the other, so both are encoded completely.
  const std::size_t whole = std::vector<std::int32_t>().max_size();
  return parts_.post_template.apply(text_ids(a, options.parse_special, whole),
                                    text_ids(b, options.parse_special, whole), options);
}

Windows Pipeline::encode_windows(std::string_view text, const EncodeOptions& options, std::int64_t overlap) const {
  const std::size_t whole = std::vector<std::int32_t>().max_size();
  return parts_.post_template.windows(text_ids(text, options.parse_special, whole), options, overlap);
}

std::string Pipeline::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  std::string out;
  bool first = true;
  for (const std::int32_t id : ids) {
    const std::string_view token = parts_.vocabulary.token(id);
    const AddedToken* added = added_.find(id);
    if (skip_special && added != nullptr && added->special) continue;
    parts_.model->append_decoded(token, added != nullptr, first, out);
    first = false;
  }
  return utf8_with_replacements(out);
}

}  // namespace attune
