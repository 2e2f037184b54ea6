// The tasks that task.cpp's table names.
#pragma once

#include "engine/train/task.h"

namespace attune {

std::unique_ptr<Task> make_single_label(const TaskOptions& options);

}  // namespace attune
