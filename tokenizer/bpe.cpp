#include "tokenizer/bpe.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/split.h"
#include "tokenizer/unicode.h"

namespace attune {
namespace {

std::uint64_t key_of(std::int32_t left, std::int32_t right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

BpeMerger::BpeMerger(std::span<const BpeMerge> merges) : slots_(merges.size()) {
  for (const BpeMerge& merge : merges) {
    const std::uint64_t pair = key_of(merge.left, merge.right);
    slots_.locate(hash_words(pair), [pair](const Slot& slot) { return slot.pair == pair; }) = {
        pair, static_cast<std::uint32_t>(merged_.size())};
    merged_.push_back(merge.merged);
  }
}

std::uint32_t BpeMerger::rank_of(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = key_of(left, right);
  return slots_.locate(hash_words(pair), [pair](const Slot& slot) { return slot.pair == pair; }).rank;
}

void BpeMerger::merge(std::vector<std::int32_t>& symbols, Scratch& scratch) const {
  const auto n = static_cast<std::uint32_t>(symbols.size());
  if (n < 2) return;
  auto &rank = scratch.rank, &next = scratch.next, &previous = scratch.previous;
  auto& heap = scratch.heap;
  rank.assign(n, kNoRank);
  next.resize(n);
  previous.resize(n);
  heap.clear();
  for (std::uint32_t i = 0; i < n; ++i) {
    next[i] = i + 1;
    previous[i] = i - 1;  // of the first: never read
    if (i + 1 == n) break;
    rank[i] = rank_of(symbols[i], symbols[i + 1]);
    if (rank[i] != kNoRank) heap.push_back(std::uint64_t{rank[i]} << 32 | i);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto update = [&](std::uint32_t i) {
    rank[i] = next[i] < n ? rank_of(symbols[i], symbols[next[i]]) : kNoRank;
    if (rank[i] == kNoRank) return;
    heap.push_back(std::uint64_t{rank[i]} << 32 | i);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    const auto best = static_cast<std::uint32_t>(heap.front() >> 32);
    const auto at = static_cast<std::uint32_t>(heap.front());
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    if (rank[at] != best) continue;  // the pair no longer exists, or exists with another rank
    const std::uint32_t right = next[at];
    symbols[at] = merged_[best];
    rank[right] = kNoRank;
    next[at] = next[right];
    if (next[at] < n) previous[next[at]] = at;
    update(at);
    if (at > 0) update(previous[at]);
  }
  std::size_t kept = 0;
  for (std::uint32_t i = 0; i < n; i = next[i]) symbols[kept++] = symbols[i];
  symbols.resize(kept);
}

ByteLevelBpe::ByteLevelBpe(const Vocabulary& vocabulary, std::span<const BpeMerge> merges, const BpeOptions& options)
    : options_(options), merger_(merges), whole_(static_cast<std::size_t>(vocabulary.size())) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char spelled = static_cast<char>(byte);
    byte_ids_[byte] = vocabulary.id(to_byte_level({&spelled, 1}));
  }
  BpeMerger::Scratch scratch;
  std::vector<std::int32_t> symbols;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    const auto bytes = from_byte_level(vocabulary.token(id));
    if (!bytes) continue;
    symbols.clear();
    if (!options_.ignore_merges) encode_rare(*bytes, scratch, symbols);
    if (options_.ignore_merges || (symbols.size() == 1 && symbols[0] == id)) whole_.add(*bytes, id);
  }
}

bool ByteLevelBpe::normalize(std::string_view text, std::string& out) const {
  if (!options_.nfc || unicode::is_surely_nfc(text)) return false;
  out = unicode::nfc(text);
  return true;
}

void ByteLevelBpe::encode_rare(std::string_view piece, BpeMerger::Scratch& scratch,
                               std::vector<std::int32_t>& symbols) const {
  symbols.clear();
  bool unknown_before = false;
  for (const char byte : piece) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
    if (id >= 0)
      symbols.push_back(id);
    else if (options_.unknown_id >= 0 && !(unknown_before && options_.fuse_unknown))
      symbols.push_back(options_.unknown_id);
    unknown_before = id < 0;
  }
  merger_.merge(symbols, scratch);
}

void ByteLevelBpe::encode(std::string_view text, std::size_t limit, std::vector<std::int32_t>& ids) const {
  std::string prefixed;
  if (options_.add_prefix_space && !text.empty() && text.front() != ' ') {
    prefixed = " ";
    prefixed += text;
    text = prefixed;
  }
  BpeMerger::Scratch scratch;
  std::vector<std::int32_t> symbols;
  const char* const end = text.data() + text.size();
  const auto encode_piece = [&](std::string_view piece) {
    const std::int32_t id = whole_.find(piece, static_cast<std::size_t>(end - piece.data()));
    if (id >= 0) {
      ids.push_back(id);
      return;
    }
    encode_rare(piece, scratch, symbols);
    ids.insert(ids.end(), symbols.begin(), symbols.end());
  };
  if (!options_.split) {
    if (!text.empty()) encode_piece(text);
    return;
  }
  for (Splitter splitter(text); !splitter.done() && ids.size() < limit;) encode_piece(splitter.next());
}

void ByteLevelBpe::append_decoded(std::string_view token, bool added, bool /*first*/, std::string& out) const {
  const auto bytes = added ? std::nullopt : from_byte_level(token);
  out += bytes ? std::string_view(*bytes) : token;
}

}  // namespace attune
