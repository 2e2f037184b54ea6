// The options of texts that are longer than the context: they become windows that overlap, and the logits of a text are
// pooled from those of its windows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/data/batch_form.h"
#include "json/value.h"
#include "tokenizer/tokenizer.h"

namespace attune {

class CommandLine;

struct WindowFlags {
  std::string windows, pooling = "mean";  // windows: "overlap=N"; empty: texts are cut

  void declare(CommandLine& app);
  /// What the options ask for; nothing if texts are cut. Throws UsageError if the value of --windows is wrong, or if
  /// the texts are `pairs`.
  std::optional<WindowForm> form(bool pairs) const;
  /// Throws UsageError if the overlap is not smaller than the room for text in a context of `max_length` tokens.
  void check_room(const Tokenizer& tokenizer, std::int64_t max_length) const;
  /// Prints a warning if the run begins with the model of `folder`, which reads windows, and cuts texts.
  void warn_of_cut(const std::string& folder, const json::Value& config) const;
};

}  // namespace attune
