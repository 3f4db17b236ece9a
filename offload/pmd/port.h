// SPDX-License-Identifier: Apache-2.0
// One ethdev port of the switch: the representor's queues to and from the application.
//
// Threading: the datapath fills `up` and empties `down`; the application's threads do the reverse.
#pragma once

#include <rte_ether.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "common/os/unique_fd.h"

struct rte_eth_dev;
struct rte_intr_handle;
struct rte_mempool;
struct rte_ring;

namespace sluice::pmd {

class Switch;

inline constexpr std::uint16_t kUplinkPort = 0, kHostPort = 1, kFirstVfPort = 2;
inline constexpr std::uint16_t kQueues = 16;  // advertised; all packets come by the first
inline constexpr std::uint16_t kRingSize = 4096;
inline constexpr std::uint32_t kHostRepresentorId = 0x4000;  // VFs have their index

struct Port {
  struct Queue {
    Port* port = nullptr;
    bool first = false;
  };

  Port() = default;
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port();

  Switch* owner = nullptr;
  std::uint16_t index = 0;  // in the switch
  std::uint16_t port_id = 0;
  rte_ether_addr mac{};
  rte_ring* up = nullptr;    // of mbufs, to the application
  rte_ring* down = nullptr;  // from it
  std::array<Queue, kQueues> queues;
  std::atomic<rte_mempool*> pool{nullptr};          // of the first Rx queue
  std::atomic<unsigned> rx_descriptors{kRingSize};  // of the first Rx queue: frames that may wait
  std::atomic<std::uint16_t> mtu{1500};
  std::atomic<bool> started{false};

  // Rx interrupt: an eventfd that is written when frames come while it is armed.
  rte_intr_handle* interrupt = nullptr;
  os::UniqueFd interrupt_fd;
  std::atomic<unsigned> armed{0};

  std::atomic<std::uint64_t> slow_packets{0}, slow_bytes{0}, slow_dropped{0};
  std::atomic<std::uint64_t> tx_packets{0}, tx_bytes{0};
};

// What librte_ethdev keeps for us, allocated and freed by it.
struct PortPrivate {
  Port* port;
};

}  // namespace sluice::pmd
