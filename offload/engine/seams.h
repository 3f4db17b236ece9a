// SPDX-License-Identifier: Apache-2.0
// What the engine asks of the world around it: the node's kernel side, the packets, the next hops.
// main/ implements them over host, rteflow and softnic; tests over fakes with state.
//
// Threading: NodeNetwork, NextHopSource and DeviceDirectory belong to the control thread, PacketIo
// to the slow path's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "offload/model/intent.h"
#include "offload/slowpath/ports.h"

namespace sluice::engine {

// The bridge, node0, routes, claim filter and steering NAT of this node.
class NodeNetwork {
 public:
  virtual ~NodeNetwork() = default;
  virtual Status update(const model::Intent& intent) = 0;
  // Repairs what somebody else took away since the last update().
  virtual Status recheck() = 0;
  virtual Status add_pod_port(const std::string& veth, const MacAddr& mac) = 0;
  virtual Status remove_pod_port(const std::string& veth, const MacAddr& mac) = 0;
};

// The kernel's answers to "by which neighbour does a packet to X leave the uplink".
class NextHopSource {
 public:
  virtual ~NextHopSource() = default;
  virtual void want(
      Ipv4 destination) = 0;  // idempotent; the answer changes next_hops() and routes()
  virtual void keep(
      const std::vector<Ipv4>& destinations) = 0;  // wanted for good: these and no others
  virtual std::vector<model::NextHop> next_hops() const = 0;
  virtual std::vector<model::OuterRoute> routes() const = 0;
};

// One eswitch port as a person wants to see it.
struct PortView {
  model::PortId port;
  std::string device;                                          // PCI address or netdev
  std::string state;                                           // "up", "down", "gone"
  std::uint64_t rx_packets = 0, rx_bytes = 0, rx_dropped = 0;  // into the eswitch
  std::uint64_t tx_packets = 0, tx_bytes = 0, tx_dropped = 0;  // out of it
  std::uint64_t slow_packets = 0;                              // to the slow path
  std::string note;
};

// Which eswitch port a PCI device is, and what the ports look like now.
class DeviceDirectory {
 public:
  virtual ~DeviceDirectory() = default;
  virtual Result<model::PortId> port_of(const std::string& pci_address) const = 0;
  virtual std::vector<PortView> ports() const = 0;
};

// Packets that the NIC hands to the slow path, and the way back.
class PacketIo : public slowpath::PacketPort {
 public:
  using Handler =
      std::function<void(model::PortId port, std::uint32_t meta, std::span<std::uint8_t> frame)>;
  // Readable when receive() has something to do.
  virtual std::vector<int> wait_fds() const = 0;
  // Handles at most a bounded burst; returns how many. Zero: all is handled and the descriptors are
  // armed again.
  virtual std::size_t receive(const Handler& handler) = 0;
  // Called once on the thread that will use it, before anything else.
  virtual Status enter_thread() = 0;
  virtual void leave_thread() = 0;
};

}  // namespace sluice::engine
