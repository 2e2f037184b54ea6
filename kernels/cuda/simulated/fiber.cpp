#include "kernels/cuda/simulated/fiber.h"

#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cstddef>
#include <utility>

#ifdef ATTUNE_ADDRESS_SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

namespace attune::simulated {
namespace {

namespace context = boost::context;

#ifdef ATTUNE_ADDRESS_SANITIZED
constexpr std::size_t kStackBytes = std::size_t{512} << 10;  // instrumented frames are several times larger
void leave_stack(void** fake, const void* bottom, std::size_t size) {
  __sanitizer_start_switch_fiber(fake, bottom, size);
}
void enter_stack(void* fake, const void** bottom, std::size_t* size) {
  __sanitizer_finish_switch_fiber(fake, bottom, size);
}
#else
constexpr std::size_t kStackBytes = std::size_t{128} << 10;
void leave_stack(void**, const void*, std::size_t) {}
void enter_stack(void*, const void**, std::size_t*) {}
#endif

}  // namespace

struct Fiber::State {
  context::fiber inside;   // valid while the fiber is suspended
  context::fiber outside;  // valid while it runs
  Body body = nullptr;
  void* argument = nullptr;
  bool quit = false;
  // Stacks, as AddressSanitizer wants them described.
  const void* bottom = nullptr;
  const void* owner_bottom = nullptr;
  std::size_t owner_size = 0;
  void* fake = nullptr;
};

Fiber::Fiber() : state_(std::make_unique<State>()) {
  State* s = state_.get();
  context::protected_fixedsize_stack allocator(kStackBytes);
  const context::stack_context stack = allocator.allocate();
  s->bottom = static_cast<const std::byte*>(stack.sp) - kStackBytes;
  s->inside = context::fiber(std::allocator_arg, context::preallocated(stack.sp, stack.size, stack), allocator,
                             [this, s](context::fiber&& outside) {
                               s->outside = std::move(outside);
                               enter_stack(nullptr, &s->owner_bottom, &s->owner_size);
                               while (!s->quit) {
                                 s->body(s->argument);
                                 suspend();
                               }
                               leave_stack(nullptr, s->owner_bottom, s->owner_size);
                               return std::move(s->outside);
                             });
}

Fiber::~Fiber() {
  state_->quit = true;
  state_->body = [](void*) {};
  resume();
}

void Fiber::start(Body body, void* argument) {
  state_->body = body;
  state_->argument = argument;
}

void Fiber::resume() {
  void* fake = nullptr;
  leave_stack(&fake, state_->bottom, kStackBytes);
  state_->inside = std::move(state_->inside).resume();
  enter_stack(fake, nullptr, nullptr);
}

void Fiber::suspend() {
  State* s = state_.get();
  leave_stack(&s->fake, s->owner_bottom, s->owner_size);
  s->outside = std::move(s->outside).resume();
  enter_stack(s->fake, &s->owner_bottom, &s->owner_size);
}

}  // namespace attune::simulated
