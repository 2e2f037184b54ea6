// Model folders in the local Hugging Face cache (huggingface_hub's layout): nothing is ever downloaded.
#pragma once

#include <string>

namespace attune {

/// Root of the cache: $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub,
/// the first that is set.
std::string hub_cache_folder();

/// Snapshot folder of a repository, e.g. "openai-community/gpt2", at refs/main. Throws Error naming the command that fetches it where it is
/// not there.
std::string find_in_hub_cache(const std::string& repository);

}  // namespace attune
