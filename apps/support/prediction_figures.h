// Figures of the predictions for a split, for the page of a run: confusions, calibration, rankings, residuals, and which
// texts have the largest losses. Everything is bounded; the logits are not kept.
#pragma once

#include <string>
#include <vector>

#include "apps/report/run_page.h"
#include "engine/train/evaluator.h"

namespace attune {

/// Of the logits and labels of an evaluation. `names`: of the outputs. The mistakes have no texts and words yet.
PageFigures figures_of(const Evaluation& evaluation, const Task& task, const std::vector<std::string>& names);

}  // namespace attune
