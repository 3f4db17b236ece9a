// SPDX-License-Identifier: Apache-2.0
#include "common/os/event_loop.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "common/os/unique_fd.h"

using namespace sluice;
using namespace sluice::os;
using std::chrono::milliseconds;

namespace {

struct Pair {
  UniqueFd read, write;
  Pair() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  void put() const { REQUIRE(::write(write.get(), "x", 1) == 1); }
  void take() const {
    char byte = 0;
    REQUIRE(::read(read.get(), &byte, 1) == 1);
  }
};

// Ends a test that would otherwise hang.
void guard(EventLoop& loop, bool& late) {
  loop.after(std::chrono::seconds(30), [&] {
    late = true;
    loop.stop();
  });
}

}  // namespace

TEST_CASE("A readable descriptor is delivered, level-triggered, until it is read") {
  const auto loop = *EventLoop::create();
  const Pair pipe;
  pipe.put();
  int calls = 0;
  REQUIRE(loop->watch(pipe.read.get(), [&] {
    if (++calls < 3) return;
    pipe.take();
    loop->stop();
  }));
  loop->run();
  CHECK(calls == 3);
}

TEST_CASE("A hang-up is delivered to the reader") {
  const auto loop = *EventLoop::create();
  Pair pipe;
  pipe.write.reset();
  bool called = false;
  REQUIRE(loop->watch(pipe.read.get(), [&] {
    called = true;
    loop->unwatch(pipe.read.get());
    loop->stop();
  }));
  loop->run();
  CHECK(called);
}

TEST_CASE("Readable and writable are watched and unwatched apart") {
  const auto loop = *EventLoop::create();
  UniqueFd counter(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  int readable = 0, writable = 0;
  REQUIRE(loop->watch(counter.get(), [&] {
    ++readable;
    loop->stop();
  }));
  REQUIRE(loop->watch_writable(counter.get(), [&] {
    ++writable;
    loop->unwatch_writable(counter.get());
    const std::uint64_t one = 1;
    REQUIRE(::write(counter.get(), &one, sizeof one) == 8);
  }));
  loop->run();
  CHECK(writable == 1);
  CHECK(readable == 1);
}

TEST_CASE("A callback that unwatches another takes its event away, also when it was fetched") {
  const auto loop = *EventLoop::create();
  const Pair one, other;
  one.put();
  other.put();
  int calls = 0;
  const auto first_wins = [&](const Pair& self, const Pair& victim) {
    return [&] {
      ++calls;
      loop->unwatch(self.read.get());
      loop->unwatch(victim.read.get());
      loop->after(milliseconds(1), [&] { loop->stop(); });
    };
  };
  REQUIRE(loop->watch(one.read.get(), first_wins(one, other)));
  REQUIRE(loop->watch(other.read.get(), first_wins(other, one)));
  loop->run();
  CHECK(calls == 1);
}

TEST_CASE("An event of a removed descriptor never reaches the next owner of its number") {
  const auto loop = *EventLoop::create();
  Pair one, other;
  one.put();
  other.put();
  int stale = 0, calls = 0;
  // Whichever comes first closes both and registers two silent pipes under the same numbers.
  const Pair fresh[2];
  const auto swap = [&] {
    ++calls;
    const int numbers[2] = {one.read.get(), other.read.get()};
    for (const int fd : numbers) loop->unwatch(fd);
    one.read.reset();
    other.read.reset();
    for (const std::size_t i : {0U, 1U}) {
      REQUIRE(::dup3(fresh[i].read.get(), numbers[i], O_CLOEXEC) == numbers[i]);
      REQUIRE(loop->watch(numbers[i], [&] { ++stale; }));
    }
    loop->after(milliseconds(1), [&, numbers] {
      for (const int fd : numbers) {
        loop->unwatch(fd);
        ::close(fd);
      }
      loop->stop();
    });
  };
  REQUIRE(loop->watch(one.read.get(), swap));
  REQUIRE(loop->watch(other.read.get(), swap));
  loop->run();
  CHECK(calls == 1);
  CHECK(stale == 0);
}

TEST_CASE("A callback may replace itself") {
  const auto loop = *EventLoop::create();
  const Pair pipe;
  pipe.put();
  std::string said;
  REQUIRE(loop->watch(pipe.read.get(), [&, text = std::string("first, alive")] {
    REQUIRE(loop->watch(pipe.read.get(), [&] {
      said += "second";
      loop->stop();
    }));
    said += text;  // the capture must still be there
    said += " ";
  }));
  loop->run();
  CHECK(said == "first, alive second");
}

TEST_CASE("Timers run in order of their time, cancelled ones not at all") {
  const auto loop = *EventLoop::create();
  std::string order;
  loop->after(milliseconds(20), [&] { loop->stop(); });
  const auto never = loop->after(milliseconds(5), [&] { order += "x"; });
  loop->after(milliseconds(10), [&] { order += "b"; });
  loop->after(milliseconds(0), [&] { order += "a"; });
  loop->cancel(never);
  loop->cancel(never);
  loop->cancel(12345);
  loop->run();
  CHECK(order == "ab");
}

TEST_CASE("A timer may cancel another that is due in the same round") {
  const auto loop = *EventLoop::create();
  int calls = 0;
  EventLoop::TimerId one = 0, other = 0;
  one = loop->after(milliseconds(0), [&] {
    ++calls;
    loop->cancel(other);
  });
  other = loop->after(milliseconds(0), [&] {
    ++calls;
    loop->cancel(one);
  });
  loop->after(milliseconds(5), [&] { loop->stop(); });
  loop->run();
  CHECK(calls == 1);
}

TEST_CASE("A periodic timer repeats until it cancels itself") {
  const auto loop = *EventLoop::create();
  int calls = 0;
  EventLoop::TimerId id = 0;
  id = loop->every(milliseconds(1), [&] {
    if (++calls < 3) return;
    loop->cancel(id);
    loop->after(milliseconds(5), [&] { loop->stop(); });
  });
  loop->run();
  CHECK(calls == 3);
}

TEST_CASE("A timer that sets itself up again at once does not starve descriptors") {
  const auto loop = *EventLoop::create();
  const Pair pipe;
  pipe.put();
  bool late = false;
  guard(*loop, late);
  std::function<void()> again = [&] { loop->after(Duration::zero(), [&] { again(); }); };
  again();
  REQUIRE(loop->watch(pipe.read.get(), [&] { loop->stop(); }));
  loop->run();
  CHECK_FALSE(late);
}

TEST_CASE("A delay of for ever does not overflow") {
  const auto loop = *EventLoop::create();
  bool fired = false;
  loop->after(Duration::max(), [&] { fired = true; });
  loop->after(milliseconds(2), [&] { loop->stop(); });
  loop->run();
  CHECK_FALSE(fired);
}

TEST_CASE("Work from other threads runs on the loop's, all of it, each thread's in order") {
  const auto loop = *EventLoop::create();
  constexpr int kThreads = 4, kEach = 500;
  std::vector<int> last(kThreads, -1);
  bool ordered = true;
  int done = 0;
  std::thread::id runner;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        loop->post([&, t, i] {
          ordered = ordered && last[static_cast<std::size_t>(t)] == i - 1 &&
                    std::this_thread::get_id() == runner;
          last[static_cast<std::size_t>(t)] = i;
          if (++done == kThreads * kEach) loop->stop();
        });
      }
    });
  }
  runner = std::this_thread::get_id();
  loop->run();
  for (auto& thread : threads) thread.join();
  CHECK(ordered);
  CHECK(done == kThreads * kEach);
}

TEST_CASE("stop() from another thread ends a loop that sleeps, and it can run again") {
  const auto loop = *EventLoop::create();
  for (int i = 0; i < 2; ++i) {
    std::thread stopper([&] { loop->stop(); });
    loop->run();
    stopper.join();
  }
  CHECK(true);
}

TEST_CASE("Signals arrive as callbacks") {
  // On a thread of its own: its signal mask is its own.
  int got = 0;
  std::thread([&] {
    const auto loop = *EventLoop::create();
    REQUIRE(loop->on_signals({SIGUSR1, SIGUSR2}, [&](int number) {
      got = number;
      loop->stop();
    }));
    ::pthread_kill(::pthread_self(), SIGUSR2);
    loop->run();
  }).join();
  CHECK(got == SIGUSR2);
  CHECK_FALSE((*EventLoop::create())->on_signals({4711}, [](int) {}));
}

TEST_CASE("Watching what can't be watched is an error") {
  const auto loop = *EventLoop::create();
  CHECK_FALSE(loop->watch(-1, [] {}));
  loop->unwatch(-1);
}
