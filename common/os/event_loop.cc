// SPDX-License-Identifier: Apache-2.0
#include "common/os/event_loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "common/os/unique_fd.h"

namespace sluice::os {
namespace {

// epoll's user data is a registration's number, never the descriptor: numbers aren't used again, so
// an event that was fetched before its descriptor was removed (or closed and reused) finds nobody.
using Token = std::uint64_t;
constexpr Token kWakeToken = 0;

struct Watch {
  Token token = 0;
  // Shared, so that a callback which removes itself isn't destroyed while it runs.
  std::shared_ptr<EventLoop::Callback> readable;
  std::shared_ptr<EventLoop::Callback> writable;

  std::uint32_t events() const {
    return (readable ? std::uint32_t{EPOLLIN} : 0U) | (writable ? std::uint32_t{EPOLLOUT} : 0U);
  }
};

struct Timer {
  TimePoint due;
  Duration period{};  // 0: once
  std::shared_ptr<EventLoop::Callback> callback;
};

class EpollLoop final : public EventLoop {
 public:
  EpollLoop(UniqueFd epoll, UniqueFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

  Status watch(int fd, Callback readable) override {
    return set(fd, &Watch::readable, std::make_shared<Callback>(std::move(readable)));
  }
  Status watch_writable(int fd, Callback writable) override {
    return set(fd, &Watch::writable, std::make_shared<Callback>(std::move(writable)));
  }
  void unwatch_writable(int fd) override;
  void unwatch(int fd) override;

  TimerId after(Duration delay, Callback callback) override {
    return add_timer(delay, Duration::zero(), std::move(callback));
  }
  TimerId every(Duration period, Callback callback) override {
    // A period of nothing would never let the loop sleep.
    const Duration least = std::max<Duration>(period, std::chrono::milliseconds(1));
    return add_timer(least, least, std::move(callback));
  }
  void cancel(TimerId id) override;
  void post(Callback callback) override;
  Status on_signals(const std::vector<int>& signals, std::function<void(int)> callback) override;
  void run() override;
  void stop() override;

 private:
  using Slot = std::shared_ptr<Callback> Watch::*;

  Status set(int fd, Slot slot, std::shared_ptr<Callback> callback);
  TimerId add_timer(Duration delay, Duration period, Callback callback);
  int wait_milliseconds() const;
  void deliver(const epoll_event& event);
  void run_timers();
  void run_posted();
  void wake();

  UniqueFd epoll_;
  UniqueFd wake_;
  SteadyClock clock_;
  Token next_token_ = kWakeToken + 1;
  std::unordered_map<int, Watch> watches_;
  std::unordered_map<Token, int> fds_;
  TimerId next_timer_ = 1;
  std::map<TimerId, Timer> timers_;
  std::set<std::pair<TimePoint, TimerId>> due_;
  std::vector<UniqueFd> signal_fds_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<Callback> posted_;  // guarded by mutex_
};

Status EpollLoop::set(int fd, Slot slot, std::shared_ptr<Callback> callback) {
  const auto found = watches_.find(fd);
  const bool known = found != watches_.end();
  Watch watch = known ? found->second : Watch{next_token_, nullptr, nullptr};
  watch.*slot = std::move(callback);
  epoll_event event{};
  event.events = watch.events();
  event.data.u64 = watch.token;
  if (::epoll_ctl(epoll_.get(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
    return fail_errno(errno, "watch descriptor " + std::to_string(fd));
  }
  if (!known) {
    ++next_token_;
    fds_[watch.token] = fd;
  }
  watches_[fd] = std::move(watch);
  return {};
}

void EpollLoop::unwatch_writable(int fd) {
  const auto found = watches_.find(fd);
  if (found == watches_.end() || !found->second.writable) return;
  if (!found->second.readable) {
    unwatch(fd);
    return;
  }
  found->second.writable.reset();
  epoll_event event{};
  event.events = found->second.events();
  event.data.u64 = found->second.token;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EpollLoop::unwatch(int fd) {
  const auto found = watches_.find(fd);
  if (found == watches_.end()) return;
  // Fails when the caller closed it first; there is nothing left to remove then.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  fds_.erase(found->second.token);
  watches_.erase(found);
}

EventLoop::TimerId EpollLoop::add_timer(Duration delay, Duration period, Callback callback) {
  // Bounded, so that "never" (Duration::max()) can't overflow the clock.
  const Duration bounded = std::clamp<Duration>(delay, Duration::zero(), std::chrono::hours(87600));
  const TimerId id = next_timer_++;
  const TimePoint due = clock_.now() + bounded;
  timers_[id] = Timer{due, period, std::make_shared<Callback>(std::move(callback))};
  due_.emplace(due, id);
  return id;
}

void EpollLoop::cancel(TimerId id) {
  const auto found = timers_.find(id);
  if (found == timers_.end()) return;
  due_.erase({found->second.due, id});
  timers_.erase(found);
}

void EpollLoop::wake() {
  const std::uint64_t one = 1;
  // EAGAIN: the counter is full, so the loop is awake anyway.
  [[maybe_unused]] const auto put = ::write(wake_.get(), &one, sizeof one);
}

void EpollLoop::post(Callback callback) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(callback));
  }
  wake();
}

void EpollLoop::stop() {
  stop_ = true;
  wake();
}

Status EpollLoop::on_signals(const std::vector<int>& signals, std::function<void(int)> callback) {
  sigset_t set_of_signals;
  sigemptyset(&set_of_signals);
  for (const int number : signals) {
    if (sigaddset(&set_of_signals, number) != 0) {
      return fail(Code::kInvalid, "signal " + std::to_string(number) + " is no signal number");
    }
  }
  const int error = ::pthread_sigmask(SIG_BLOCK, &set_of_signals, nullptr);
  if (error != 0) return fail_errno(error, "block signals");
  UniqueFd fd(::signalfd(-1, &set_of_signals, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) return fail_errno(errno, "make a signal descriptor");
  const int raw = fd.get();
  SLUICE_CHECK_OK(watch(raw, [raw, callback = std::move(callback)] {
    signalfd_siginfo info{};
    while (::read(raw, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      callback(static_cast<int>(info.ssi_signo));
    }
  }));
  signal_fds_.push_back(std::move(fd));
  return {};
}

int EpollLoop::wait_milliseconds() const {
  if (due_.empty()) return -1;
  const Duration left = due_.begin()->first - clock_.now();
  if (left <= Duration::zero()) return 0;
  // Rounded up: waking before the timer is due would spin until it is.
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(wait, std::numeric_limits<int>::max()));
}

void EpollLoop::deliver(const epoll_event& event) {
  const Token token = event.data.u64;
  if (token == kWakeToken) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
    return;
  }
  // Looked up anew for each direction: the first callback may remove the registration.
  const auto run_slot = [&](Slot slot) {
    const auto fd = fds_.find(token);
    if (fd == fds_.end()) return;
    const std::shared_ptr<Callback> callback = watches_.at(fd->second).*slot;
    if (callback) (*callback)();
  };
  const std::uint32_t broken = std::uint32_t{EPOLLHUP} | std::uint32_t{EPOLLERR};
  if ((event.events & (std::uint32_t{EPOLLIN} | broken)) != 0) run_slot(&Watch::readable);
  if ((event.events & (std::uint32_t{EPOLLOUT} | broken)) != 0) run_slot(&Watch::writable);
}

void EpollLoop::run_timers() {
  const TimePoint now = clock_.now();
  // Collected first: a timer that sets itself up again at once can't starve the descriptors.
  std::vector<TimerId> ripe;
  for (auto it = due_.begin(); it != due_.end() && it->first <= now; ++it)
    ripe.push_back(it->second);
  for (const TimerId id : ripe) {
    const auto found = timers_.find(id);  // an earlier callback may have cancelled it
    if (found == timers_.end()) continue;
    Timer& timer = found->second;
    const std::shared_ptr<Callback> callback = timer.callback;
    due_.erase({timer.due, id});
    if (timer.period == Duration::zero()) {
      timers_.erase(found);
    } else {
      // Missed periods (a suspended machine) are skipped, not made up for.
      timer.due += timer.period;
      if (timer.due <= now) timer.due = now + timer.period;
      due_.emplace(timer.due, id);
    }
    (*callback)();
  }
}

void EpollLoop::run_posted() {
  std::vector<Callback> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(posted_);
  }
  for (auto& callback : work) callback();
}

void EpollLoop::run() {
  while (!stop_) {
    std::array<epoll_event, 64> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   wait_milliseconds());
    for (int i = 0; i < count && !stop_; ++i) deliver(events[static_cast<std::size_t>(i)]);
    if (!stop_) run_timers();
    if (!stop_) run_posted();
  }
  stop_ = false;  // may be run again
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno(errno, "make an epoll instance");
  UniqueFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake) return fail_errno(errno, "make an event descriptor");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeToken;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return fail_errno(errno, "watch an event descriptor");
  }
  return std::unique_ptr<EventLoop>(std::make_unique<EpollLoop>(std::move(epoll), std::move(wake)));
}

}  // namespace sluice::os
