// What an error says.
#pragma once

#include <string>
#include <utility>

#include "base/check.h"

namespace attune::testing {

/// The message of the Error that `action` throws; empty where it throws none.
template <class Action>
std::string message_of(Action&& action) {
  try {
    std::forward<Action>(action)();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace attune::testing
