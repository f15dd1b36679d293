// C11's threads, made of POSIX's, for the thread sanitizer.
//
// librdkafka starts its threads with `thrd_create`. The sanitizer of GCC 14
// does not know that function, nor the locks beside it: it ends the program
// when such a thread wants memory. So under it each program has these
// functions, which stand in for those of glibc; the sanitizer sees the POSIX
// functions that they call. Types are the same in glibc: each of these holds
// what POSIX's has.

#include <cerrno>
#include <cstdint>
#include <memory>

#include <pthread.h>
#include <sched.h>
#include <threads.h>

namespace {

int result_of(int code) {
  switch (code) {
    case 0:
      return thrd_success;
    case ENOMEM:
      return thrd_nomem;
    case ETIMEDOUT:
      return thrd_timedout;
    case EBUSY:
      return thrd_busy;
    default:
      return thrd_error;
  }
}

static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t));
static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t));

pthread_mutex_t* posix(mtx_t* x) {
  return reinterpret_cast<pthread_mutex_t*>(x);
}

pthread_cond_t* posix(cnd_t* x) {
  return reinterpret_cast<pthread_cond_t*>(x);
}

struct beginning {
  thrd_start_t run;
  void* with;
};

extern "C" void* begin_thread(void* what) {
  auto x = *std::unique_ptr<beginning>{static_cast<beginning*>(what)};
  auto code = static_cast<intptr_t>(x.run(x.with));
  return reinterpret_cast<void*>(code);
}

} // namespace

extern "C" {

int thrd_create(thrd_t* to, thrd_start_t run, void* with) {
  auto what = std::make_unique<beginning>(run, with);
  auto code = pthread_create(to, nullptr, begin_thread, what.get());
  if (code == 0)
    static_cast<void>(what.release());
  return result_of(code);
}

int thrd_join(thrd_t which, int* to) {
  void* answer = nullptr;
  auto code = pthread_join(which, &answer);
  if (to)
    *to = static_cast<int>(reinterpret_cast<intptr_t>(answer));
  return result_of(code);
}

int thrd_detach(thrd_t which) {
  return result_of(pthread_detach(which));
}

int mtx_init(mtx_t* x, int type) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  if ((type & mtx_recursive) != 0)
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  auto code = pthread_mutex_init(posix(x), &kind);
  pthread_mutexattr_destroy(&kind);
  return result_of(code);
}

int mtx_lock(mtx_t* x) {
  return result_of(pthread_mutex_lock(posix(x)));
}

int mtx_trylock(mtx_t* x) {
  return result_of(pthread_mutex_trylock(posix(x)));
}

int mtx_timedlock(mtx_t* x, const timespec* until) {
  return result_of(pthread_mutex_timedlock(posix(x), until));
}

int mtx_unlock(mtx_t* x) {
  return result_of(pthread_mutex_unlock(posix(x)));
}

void mtx_destroy(mtx_t* x) {
  pthread_mutex_destroy(posix(x));
}

int cnd_init(cnd_t* x) {
  return result_of(pthread_cond_init(posix(x), nullptr));
}

int cnd_signal(cnd_t* x) {
  return result_of(pthread_cond_signal(posix(x)));
}

int cnd_broadcast(cnd_t* x) {
  return result_of(pthread_cond_broadcast(posix(x)));
}

int cnd_wait(cnd_t* x, mtx_t* with) {
  return result_of(pthread_cond_wait(posix(x), posix(with)));
}

int cnd_timedwait(cnd_t* x, mtx_t* with, const timespec* until) {
  return result_of(pthread_cond_timedwait(posix(x), posix(with), until));
}

void cnd_destroy(cnd_t* x) {
  pthread_cond_destroy(posix(x));
}

} // extern "C"
