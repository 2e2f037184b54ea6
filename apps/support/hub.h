// Model folders in the local Hugging Face cache (huggingface_hub's layout): nothing is ever downloaded.
#pragma once

#include <string>
#include <vector>

namespace attune {

/// Root of the cache: $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub,
/// ~/.cache/huggingface/hub, the first that is set.
std::string hub_cache_folder();

/// Snapshot folder, at refs/main, of the first repository that is there, e.g. "openai-community/gpt2"; several names
/// are the ids one repository has or had. Throws Error naming the command that fetches the first if none is there.
std::string find_in_hub_cache(const std::vector<std::string>& repositories);

}  // namespace attune
