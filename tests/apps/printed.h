// What tests of a run's reports share: what is printed, and a task.
#pragma once

#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include "engine/train/task.h"

namespace attune::testing {

// Standard output while it lives.
class Captured {
 public:
  Captured() : before_(std::cout.rdbuf(text_.rdbuf())) {}
  ~Captured() { std::cout.rdbuf(before_); }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* before_;
};

inline const Task& single_label() {
  static const std::unique_ptr<Task> task = make_task("single_label_classification", {});
  return *task;
}

}  // namespace attune::testing
