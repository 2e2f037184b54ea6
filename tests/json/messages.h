// The message of what a function throws.
#pragma once

#include <string>

#include "base/check.h"

namespace attune {

template <class Function>
std::string message_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace attune
