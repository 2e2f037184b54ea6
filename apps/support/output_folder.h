// The folder of --output: a run replaces the model in it, so it must be a new or empty folder, or one of attune's.
//
// A folder is attune's if its config.json has a member "attune_...", its run.json one "attune", or its
// model.safetensors the metadata of a save of attune. In other folders only what a run may find in its folder is
// accepted: files of a tokenizer, checkpoints/ and interrupted/, the runs of --seeds, logs and tables of texts (.log,
// .out, .err, .txt, .csv, .tsv, .jsonl, .ndjson), events for TensorBoard, and what the run itself names.
#pragma once

#include <string>
#include <vector>

namespace attune {

/// Throws Error naming files of this folder that attune did not write and a run has no use for. `own`: paths that the
/// run writes to; empty ones are none.
void check_output_folder(const std::string& folder, const std::vector<std::string>& own);

}  // namespace attune
