// The curves of a run so far, thinned (apps/report/thinned_curve.h), as a part of its checkpoints: the report of a run
// that was resumed shows the whole run. They depend on the numbers of the steps alone, not on speeds or times.
#pragma once

#include <string>

#include "apps/report/run_page.h"
#include "engine/train/trainer.h"

namespace attune {

class RunHistory {
 public:
  void add(const StepRecord& record);
  void add(const EvaluationRecord& record);
  const RunCurves& curves() const { return curves_; }

  /// All of it as text, for RunState::history.
  std::string text() const;
  /// Continues from such a text; an empty one is that of a run without history. Throws Error if it is none.
  void restore(const std::string& text);

 private:
  RunCurves curves_;
};

}  // namespace attune
