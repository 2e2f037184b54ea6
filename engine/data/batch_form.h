// How examples become a batch. A training program chooses it, a saved model stores it, and a prediction uses it again.
#pragma once

#include <cstdint>
#include <optional>

namespace attune {

/// Sequences of a batch at most: a CUDA grid has 65,535 blocks along their axis, and the rows that fill a batch up may be
/// one more sequence.
inline constexpr std::int64_t kMaxSequences = 65534;

/// How the logits of a text's windows become those of the text.
enum class WindowPooling : std::uint8_t { kMean, kMax };

/// Texts that are longer than the context become several windows.
struct WindowForm {
  std::int64_t overlap = 0;  // tokens of text that a window shares with the next one
  WindowPooling pooling = WindowPooling::kMean;
};

struct BatchForm {
  /// Longer examples are cut; padded batches are filled up to it. 0: no limit, the longest of the batch.
  std::int64_t max_length = 0;
  std::int32_t pad_id = 0;                 // fills padded rows
  bool packed = false;                     // no padding rows
  bool mask = false;                       // attention does not see the padding of padded batches
  std::optional<WindowForm> windows = {};  // none: longer texts are cut
};

}  // namespace attune
