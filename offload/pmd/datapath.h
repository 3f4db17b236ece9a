// SPDX-License-Identifier: Apache-2.0
// The thread that moves packets: legs -> pipeline -> legs and representors, representors -> legs.
//
// Contract: it sleeps when nothing comes (epoll on the legs' descriptors and its own eventfd).
// While an ethdev is a leg it polls instead: an ethdev has nothing to wait for. Threading: start(),
// stop(), attach(), detach(), counters() and wake() from any thread. Legs are touched by the
// datapath's thread alone, or under the mutex while it doesn't run.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/os/unique_fd.h"
#include "offload/eswitch/pipeline.h"
#include "offload/eswitch/segment.h"
#include "offload/legs/leg.h"
#include "offload/pmd/net_esw.h"

struct rte_mbuf;

namespace sluice::pmd {

struct Port;

class Datapath {
 public:
  using Ports = std::span<const std::unique_ptr<Port>>;

  Datapath(eswitch::Pipeline& pipeline, Ports ports);
  ~Datapath();

  Status start();
  void stop();
  // After something was put on a port's down ring. Never blocks.
  void wake();

  Status attach(std::uint16_t port, std::unique_ptr<legs::Leg> leg);
  Status attach_ethdev(std::uint16_t port, std::uint16_t ethdev);  // before start()
  void detach(std::uint16_t port);
  PortCounters counters(std::uint16_t port);
  // Returns when the thread has seen all that was done before the call.
  void barrier();

 private:
  struct Slot {
    std::unique_ptr<legs::Leg> leg;
    int ethdev = -1;
    bool dirty = false;  // has frames to flush
    bool died = false;
    legs::LegStats last;  // of a leg that is gone
    legs::LegStats ethdev_stats;
    unsigned pending_count = 0;
    std::array<rte_mbuf*, eswitch::kBurst> pending;  // for the ethdev; only so many are valid
    std::uint64_t unattached_drops = 0;  // frames that were to leave here while there was no leg
  };

  static void* thread_main(void* self);
  void loop();
  bool poll();
  bool poll_leg(std::uint16_t port, Slot& slot);
  bool poll_ethdev(std::uint16_t port, Slot& slot);
  bool send_slow(Port& port, Slot& slot);
  void flush_legs();
  void bury_dead();
  void take_off(std::uint16_t port);
  void list_active();
  bool nothing_waits() const;
  void sleep(unsigned& fruitless);
  void run_commands();
  void run_on_thread(const std::function<void()>& command);

  void forward(eswitch::Packet* packets, unsigned n);
  void output(std::span<eswitch::Packet> packets);  // all to the same port
  void output_leg(std::span<eswitch::Packet> packets, Slot& slot, std::uint32_t mtu);
  void output_ethdev(std::span<eswitch::Packet> packets, Slot& slot, std::uint32_t mtu);
  void punt(eswitch::Packet& packet);
  void deliver(Port& port, rte_mbuf* mbuf, std::uint32_t meta);
  void notify();
  void queue(Slot& slot, rte_mbuf* mbuf);
  void flush_ethdev(Slot& slot);

  eswitch::Pipeline& pipeline_;
  const Ports ports_;
  eswitch::Segmenter segmenter_;
  os::UniqueFd epoll_, event_;
  std::array<Slot, eswitch::kMaxPorts> slots_;
  std::vector<std::uint16_t> active_;  // ports with a leg
  std::vector<Port*> existing_;        // all ports, as of start()
  std::array<eswitch::Packet, eswitch::kBurst> packets_;
  std::vector<std::uint8_t> linear_;  // a frame of several mbufs, in one piece
  bool polling_ = false;              // an ethdev is a leg
  std::uint64_t to_notify_ = 0;       // a bit for each port that got frames in this burst

  std::mutex mutex_;
  std::condition_variable done_;
  bool running_ = false;
  pthread_t thread_{};
  std::vector<const std::function<void()>*> commands_;
  std::uint64_t commands_done_ = 0, commands_given_ = 0;
  std::atomic<bool> has_commands_{false};
  std::atomic<bool> stop_{false};
  std::atomic<bool> asleep_{false};
};

}  // namespace sluice::pmd
