// A separate stack on which one CUDA thread after another runs; its owner switches to it and back.
//
// A fiber belongs to the OS thread that created it. AddressSanitizer is notified of every switch.
#pragma once

#include <memory>

namespace attune::simulated {

class Fiber {
 public:
  using Body = void (*)(void* argument);

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Starts body(argument) at the next resume(). The body before it must have ended. The body must not throw.
  void start(Body body, void* argument);
  /// Runs the body until it suspends or ends.
  void resume();
  /// Called on the fiber: back to whoever resumed it.
  void suspend();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::simulated
