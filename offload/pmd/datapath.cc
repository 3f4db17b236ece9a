// SPDX-License-Identifier: Apache-2.0
// The datapath's thread: when it runs, when it sleeps, and how others talk to it. What it does with
// packets is in datapath_io.cc.
#include "offload/pmd/datapath.h"

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "offload/pmd/port.h"

namespace sluice::pmd {
namespace {

// Polls without work before it sleeps: covers the gap between packets of a busy connection, some
// ten microseconds, and no more: other threads want this core.
constexpr unsigned kSpins = 32;
// A descriptor that stays readable without frames must not cost a core.
constexpr unsigned kFruitlessWakeups = 64;
constexpr useconds_t kFruitlessPause = 1000;
constexpr unsigned kPollsBetweenChecks = 4096;
constexpr std::uint32_t kWakeEvent = 0xffffffff;

}  // namespace

Datapath::Datapath(eswitch::Pipeline& pipeline, Ports ports)
    : pipeline_(pipeline),
      ports_(ports),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      linear_(legs::kMaxFrame) {
  if (!epoll_ || !event_) return;  // start() says so
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.u32 = kWakeEvent;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, event_.get(), &e);
}

Datapath::~Datapath() { stop(); }

Status Datapath::start() {
  const std::lock_guard lock(mutex_);
  if (running_) return {};
  if (!epoll_ || !event_) {
    return fail(Code::kExhausted, "the datapath has no epoll or event descriptor");
  }
  existing_.clear();
  for (const auto& port : ports_) {
    if (port != nullptr) existing_.push_back(port.get());
  }
  stop_.store(false);
  // A control thread gets the CPUs the process had before EAL pinned its own threads.
  if (const int r = rte_ctrl_thread_create(&thread_, "net_esw", nullptr, &thread_main, this);
      r != 0) {
    return fail_errno(-r, "create the datapath thread");
  }
  running_ = true;
  return {};
}

void Datapath::stop() {
  std::unique_lock lock(mutex_);
  if (!running_) return;
  stop_.store(true);
  const pthread_t thread = thread_;
  lock.unlock();
  wake();
  ::pthread_join(thread, nullptr);
  lock.lock();
  running_ = false;
  for (const auto* command : commands_) (*command)();
  commands_done_ += commands_.size();
  commands_.clear();
  has_commands_.store(false);
  done_.notify_all();
}

void Datapath::wake() {
  // With sleep()'s exchange these are ordered: either we see that it is about to sleep, or it sees
  // what was done before this call.
  if (asleep_.exchange(false, std::memory_order_acq_rel)) ::eventfd_write(event_.get(), 1);
}

void Datapath::run_on_thread(const std::function<void()>& command) {
  std::unique_lock lock(mutex_);
  if (!running_) return command();
  commands_.push_back(&command);
  const std::uint64_t mine = ++commands_given_;
  has_commands_.store(true, std::memory_order_release);
  lock.unlock();
  wake();
  lock.lock();
  done_.wait(lock, [&] { return commands_done_ >= mine; });
}

void Datapath::run_commands() {
  std::unique_lock lock(mutex_);
  std::vector<const std::function<void()>*> commands;
  commands.swap(commands_);
  has_commands_.store(false, std::memory_order_relaxed);
  lock.unlock();
  for (const auto* command : commands) (*command)();
  lock.lock();
  commands_done_ += commands.size();
  done_.notify_all();
}

void Datapath::barrier() {
  run_on_thread([] {});
}

void* Datapath::thread_main(void* self) {
  // For the mempools' caches. Without (all lcore ids taken) everything works, only slower.
  const bool registered = rte_thread_register() == 0;
  static_cast<Datapath*>(self)->loop();
  if (registered) rte_thread_unregister();
  return nullptr;
}

void Datapath::loop() {
  unsigned idle = 0;
  unsigned fruitless = 0;
  while (!stop_.load(std::memory_order_acquire)) {
    if (has_commands_.load(std::memory_order_acquire)) run_commands();
    if (poll()) {
      idle = fruitless = 0;
      continue;
    }
    ++idle;
    if (polling_) {
      if (idle % kPollsBetweenChecks == 0) bury_dead();
    } else if (idle < kSpins) {
      rte_pause();
    } else {
      sleep(fruitless);
      idle = 0;
    }
  }
}

bool Datapath::nothing_waits() const {
  if (has_commands_.load(std::memory_order_acquire) || stop_.load(std::memory_order_acquire)) {
    return false;
  }
  for (const Port* port : existing_) {
    if (rte_ring_empty(port->down) == 0) return false;
  }
  return true;
}

void Datapath::sleep(unsigned& fruitless) {
  bury_dead();
  bool deaf = false;  // a leg that can't wake us
  for (const std::uint16_t port : active_) {
    deaf = deaf || (slots_[port].leg != nullptr && slots_[port].leg->fd() < 0);
  }
  if (++fruitless > kFruitlessWakeups) ::usleep(kFruitlessPause);
  asleep_.exchange(true, std::memory_order_acq_rel);
  if (nothing_waits()) {
    std::array<epoll_event, 8> events;
    const int n =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), deaf ? 1 : -1);
    for (int i = 0; i < n; ++i) {
      eventfd_t ignored = 0;
      if (events[static_cast<std::size_t>(i)].data.u32 == kWakeEvent) {
        ::eventfd_read(event_.get(), &ignored);
        fruitless = 0;
      }
    }
  }
  asleep_.store(false, std::memory_order_relaxed);
}

void Datapath::list_active() {
  active_.clear();
  polling_ = false;
  for (std::uint16_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].leg == nullptr && slots_[i].ethdev < 0) continue;
    active_.push_back(i);
    polling_ = polling_ || slots_[i].ethdev >= 0;
  }
}

void Datapath::take_off(std::uint16_t port) {
  Slot& slot = slots_[port];
  if (slot.leg == nullptr) return;
  slot.last = slot.leg->stats();
  if (slot.leg->fd() >= 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot.leg->fd(), nullptr);
  slot.dirty = false;
}

void Datapath::bury_dead() {
  bool any = false;
  for (const std::uint16_t port : active_) {
    Slot& slot = slots_[port];
    if (slot.leg == nullptr || slot.leg->alive()) continue;
    take_off(port);
    slot.leg.reset();
    slot.died = true;
    any = true;
  }
  if (any) list_active();
}

Status Datapath::attach(std::uint16_t port, std::unique_ptr<legs::Leg> leg) {
  Status status;
  std::unique_ptr<legs::Leg> old;
  run_on_thread([&] {
    Slot& slot = slots_[port];
    if (slot.ethdev >= 0) {
      status = fail(Code::kPrecondition,
                    "port " + std::to_string(port) + " has an ethdev as its leg, by devarg leg=");
      return;
    }
    take_off(port);
    if (leg->fd() >= 0) {
      epoll_event e{};
      e.events = EPOLLIN;
      e.data.u32 = port;
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, leg->fd(), &e) != 0) {
        status = fail_errno(errno, "watch the leg of port " + std::to_string(port));
      }
    }
    old = std::move(slot.leg);
    if (status) slot.leg = std::move(leg);
    slot.died = false;
    list_active();
  });
  return status;
}

Status Datapath::attach_ethdev(std::uint16_t port, std::uint16_t ethdev) {
  run_on_thread([&] {
    slots_[port].ethdev = ethdev;
    list_active();
  });
  return {};
}

void Datapath::detach(std::uint16_t port) {
  std::unique_ptr<legs::Leg> old;
  run_on_thread([&] {
    take_off(port);
    old = std::move(slots_[port].leg);
    list_active();
  });
}

PortCounters Datapath::counters(std::uint16_t port) {
  PortCounters c;
  run_on_thread([&] {
    const Slot& slot = slots_[port];
    c.attached = slot.leg != nullptr || slot.ethdev >= 0;
    c.alive = slot.leg != nullptr ? slot.leg->alive() : slot.ethdev >= 0;
    c.leg = slot.leg != nullptr ? slot.leg->stats()
            : slot.ethdev >= 0  ? slot.ethdev_stats
                                : slot.last;
    c.leg.tx_dropped += slot.unattached_drops;
  });
  const Port& p = *ports_[port];
  c.slow_packets = p.slow_packets.load(std::memory_order_relaxed);
  c.slow_dropped = p.slow_dropped.load(std::memory_order_relaxed);
  c.tx_slow = p.tx_packets.load(std::memory_order_relaxed);
  return c;
}

}  // namespace sluice::pmd
