#include "tests/fuzz/mutators.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/archive_mutator.h"
#include "tests/fuzz/json_mutator.h"
#include "tests/fuzz/parts.h"
#include "tests/fuzz/random.h"
#include "tests/fuzz/safetensors_mutator.h"

namespace attune::fuzz {
namespace {

std::string changed(Part part, const std::string& bytes, std::size_t max_size, Random& random) {
  if (part == Part::kText || random.one_in(16)) return changed_bytes(bytes, max_size, random);
  switch (part) {
    case Part::kJson:
      return changed_json(bytes, max_size, random);
    case Part::kSafetensors:
      return changed_safetensors(bytes, max_size, false, random);
    case Part::kSealed:
      return changed_safetensors(bytes, max_size, true, random);
    case Part::kTar:
      return changed_archive(bytes, max_size, random);
    case Part::kText:
      break;
  }
  return bytes;
}

}  // namespace

std::size_t mutate(std::span<const Part> parts, std::uint8_t* data, std::size_t size, std::size_t max_size,
                   unsigned seed) {
  Random random(seed);
  const std::vector<std::string_view> given = parts_of({reinterpret_cast<const char*>(data), size}, parts.size());
  std::vector<std::string> pieces(given.begin(), given.end());
  for (int changes = random.one_in(4) ? 2 : 1; changes > 0; --changes) {
    const std::size_t which = random.below(static_cast<std::uint32_t>(parts.size()));
    pieces[which] = changed(parts[which], pieces[which], max_size, random);
    if (which + 1 < pieces.size()) std::erase(pieces[which], '\x1E');
  }
  std::string out;
  for (const std::string& piece : pieces) out += (&piece == &pieces.front() ? "" : "\x1E") + piece;
  if (out.size() > max_size) out.resize(max_size);
  std::memcpy(data, out.data(), out.size());
  return out.size();
}

}  // namespace attune::fuzz
