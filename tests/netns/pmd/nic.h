// SPDX-License-Identifier: Apache-2.0
// A net_esw in this process for tests: an EAL without hugepages, a hot-plugged device, its ports
// configured with Rx interrupts, a memory leg on each, and rte_flow rules in a few words.
#pragma once

#include <rte_flow.h>

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "offload/legs/memory_leg.h"
#include "tests/support/packet_builder.h"

struct rte_mempool;

namespace sluice::test {

inline constexpr Duration kPatience = std::chrono::seconds(10);  // for what must come
inline constexpr std::uint16_t kUplink = 0, kHost = 1, kVf0 = 2, kVf1 = 3;

// The name of one more device of this process.
std::string next_device_name();
// Starts EAL once a process.
void need_eal();
// rte_vdev_init(); 0 or -errno.
int plug(const std::string& name, const std::string& args);
void unplug(const std::string& name);

// What a representor received.
struct Punted {
  Frame bytes;
  std::optional<std::uint32_t> meta;
};

class Nic {
 public:
  // Ports uplink, host, vf0, vf1, each with a memory wire unless `legs` is false.
  explicit Nic(const std::string& more_args = "", bool legs = true, bool wire_offload = true);
  ~Nic();
  Nic(const Nic&) = delete;
  Nic& operator=(const Nic&) = delete;

  const std::string& name() const { return name_; }
  std::uint16_t ethdev(std::uint16_t port) const { return ethdevs_.at(port); }
  legs::MemoryWire& wire(std::uint16_t port) { return *wires_.at(port); }
  void attach(std::uint16_t port, bool offload = true);
  rte_mempool* pool() const { return pool_; }

  // Sends by a representor.
  void send(std::uint16_t port, const Frame& frame);
  // The next frame of a representor, awaited by its Rx interrupt, as an application does it.
  std::optional<Punted> punted(std::uint16_t port, Duration patience = kPatience);
  // Pushes a frame into the port's wire.
  void arrive(std::uint16_t port, const Frame& frame, const legs::Offload& offload = {});
  std::optional<legs::WireFrame> leaves(std::uint16_t port) { return wire(port).take(kPatience); }
  // Returns when all frames that arrived before are dealt with.
  void settle(std::uint16_t port);

 private:
  std::optional<Punted> receive(std::uint16_t port);

  std::string name_;
  rte_mempool* pool_ = nullptr;
  std::map<std::uint16_t, std::uint16_t> ethdevs_;
  std::map<std::uint16_t, std::shared_ptr<legs::MemoryWire>> wires_;
};

// Items and actions with their storage.
class Flow {
 public:
  Flow& group(std::uint32_t value);
  Flow& priority(std::uint32_t value);
  Flow& not_transfer();

  Flow& from(std::uint16_t ethdev);
  Flow& eth(const std::optional<MacAddr>& src, const std::optional<MacAddr>& dst,
            std::optional<std::uint16_t> type = {});
  Flow& ip4(const std::optional<Prefix4>& src, const std::optional<Prefix4>& dst);
  Flow& tcp(std::optional<std::uint16_t> src, std::optional<std::uint16_t> dst,
            std::uint8_t flags = 0, std::uint8_t flags_mask = 0);
  Flow& udp(std::optional<std::uint16_t> src, std::optional<std::uint16_t> dst);
  Flow& icmp(std::uint8_t type);
  Flow& vxlan(std::uint32_t vni);
  Flow& meta(std::uint32_t value, std::uint32_t mask);
  template <class T>
  Flow& item(rte_flow_item_type type, const T& spec, const T& mask) {
    items_.push_back({type, keep(spec), nullptr, keep(mask)});
    return *this;
  }
  Flow& item(rte_flow_item_type type) {
    items_.push_back({type, nullptr, nullptr, nullptr});
    return *this;
  }

  template <class T>
  Flow& action(rte_flow_action_type type, const T& conf) {
    actions_.push_back({type, keep(conf)});
    return *this;
  }
  Flow& action(rte_flow_action_type type) {
    actions_.push_back({type, nullptr});
    return *this;
  }
  Flow& count() { return action(RTE_FLOW_ACTION_TYPE_COUNT); }
  Flow& drop() { return action(RTE_FLOW_ACTION_TYPE_DROP); }
  Flow& dec_ttl() { return action(RTE_FLOW_ACTION_TYPE_DEC_TTL); }
  Flow& decap() { return action(RTE_FLOW_ACTION_TYPE_VXLAN_DECAP); }
  Flow& punt();
  Flow& output(std::uint16_t ethdev);
  Flow& jump(std::uint32_t to);
  Flow& set_meta(std::uint32_t value, std::uint32_t mask = 0xffffffff);
  Flow& set_mac(rte_flow_action_type type, const MacAddr& mac);
  Flow& set_ip(rte_flow_action_type type, Ipv4 ip);
  Flow& set_port(rte_flow_action_type type, std::uint16_t port);
  Flow& encap(const Eth& eth, Ipv4 src, Ipv4 dst, std::uint32_t vni);

  int validate(std::uint16_t ethdev, rte_flow_error& error);
  rte_flow* create(std::uint16_t ethdev, rte_flow_error& error);
  rte_flow* create(std::uint16_t ethdev);  // fails the test when it is refused

 private:
  template <class T>
  const T* keep(const T& value) {
    auto owned = std::make_shared<T>(value);
    const T* at = owned.get();
    storage_.push_back(std::move(owned));
    return at;
  }
  void end();

  rte_flow_attr attr_{};
  std::vector<rte_flow_item> items_;
  std::vector<rte_flow_action> actions_;
  std::vector<std::shared_ptr<void>> storage_;
};

struct Hits {
  std::uint64_t packets = 0, bytes = 0;
};
Hits query(std::uint16_t ethdev, rte_flow* flow, bool reset = false);

}  // namespace sluice::test
