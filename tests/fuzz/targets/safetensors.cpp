// Safetensors files: the header, and each tensor read in every way.
#include "engine/io/safetensors.h"
#include "engine/io/sha256.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"

namespace attune::fuzz {

void run(std::string_view input) {
  static MemoryFile memory;
  memory.replace(input);
  limit_tensors(std::size_t{1} << 24);
  const SafetensorsFile file(memory.path());
  accepted();
  std::size_t bytes = 0;
  for (const SafetensorsEntry& entry : file.entries()) {
    require(file.find(entry.name) != nullptr, "every tensor has its name");
    const auto whole = file.bytes(entry);
    bytes += whole.size();
    Sha256 blocks;
    file.read_blocks(entry, [&](auto block) { blocks.update(block); });
    require(blocks.hex() == sha256_hex(whole), "blocks and mapping are the same bytes");
    for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kInt32})
      succeeds([&] { require(file.read(entry, dtype).dtype() == dtype, "the type asked for"); });
    succeeds([&] { require(file.read(entry).bytes() == whole.size(), "a tensor has the file's bytes"); });
    succeeds([&] {
      const Tensor mapped = file.map(entry);
      const std::span<const std::byte> seen{static_cast<const std::byte*>(mapped.raw()), mapped.bytes()};
      require(sha256_hex(seen) == sha256_hex(whole), "a mapped tensor has the file's bytes");
    });
  }
  require(bytes <= input.size(), "tensors do not overlap");
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kSafetensors)
