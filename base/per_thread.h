// One object for each thread, made when the thread first asks for it and deleted when the thread ends.
//
// thread_local does the same, but without memory the system ends the program where a thread_local object with a
// destructor is made; this throws. Use thread_local for what has no destructor.
#pragma once

#include <pthread.h>

#include <memory>
#include <new>

namespace attune {

/// A PerThread<T> exists until the program ends: it is static. That of the main thread is not deleted.
template <class T>
class PerThread {
 public:
  PerThread() {
    if (pthread_key_create(&key_, [](void* object) { delete static_cast<T*>(object); }) != 0) throw std::bad_alloc();
  }
  PerThread(const PerThread&) = delete;
  PerThread& operator=(const PerThread&) = delete;

  /// The object of this thread. Throws std::bad_alloc.
  T& get() const {
    if (void* const object = pthread_getspecific(key_)) return *static_cast<T*>(object);
    auto object = std::make_unique<T>();
    if (pthread_setspecific(key_, object.get()) != 0) throw std::bad_alloc();
    return *object.release();
  }

 private:
  pthread_key_t key_ = 0;
};

}  // namespace attune
