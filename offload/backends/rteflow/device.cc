// SPDX-License-Identifier: Apache-2.0
#include "offload/backends/rteflow/device.h"

#include <rte_epoll.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "offload/backends/rteflow/dpdk_error.h"
#include "offload/backends/rteflow/find_ports.h"

namespace sluice::rteflow {
namespace {

constexpr std::uint16_t kBurst = 32;
constexpr std::uint16_t kRxDescriptors = 128;
constexpr std::uint16_t kTxDescriptors = 64;
constexpr std::uint16_t kMaxFrameBytes = 9018;  // MTU 9000 with its Ethernet header and VLAN tag
constexpr std::uint16_t kDataRoom = RTE_PKTMBUF_HEADROOM + 9216;
constexpr unsigned kSpareBuffers = 1024;  // in flight beside the receive rings
constexpr unsigned kCachedBuffers = 32;

}  // namespace

struct Device::State {
  struct Port {
    model::PortId id;
    std::uint16_t ethdev = 0;
    bool active = true;  // polled: not drained, or its interrupt is not armed
    bool started = false;
    bool listening = false;  // its interrupt is in our epoll set
  };

  EthPorts map;
  Logger log;
  std::vector<Port> ports;  // the proxy first; never resized: the epoll set points into it
  rte_mempool* pool = nullptr;
  int epoll = -1;
  std::vector<std::uint8_t> linear;  // a frame of several segments
  bool closed = false;

  Status start();
  Status make_pool();
  Status configure(Port& port);
  Status listen(Port& port);
  void collect_wakeups();
  std::size_t burst(const Port& port, const Handler& handler);
  std::size_t drain(Port& port, const Handler& handler);
  void deliver(const Port& port, rte_mbuf* mbuf, const Handler& handler);
  void close();
};

Status Device::State::make_pool() {
  const auto buffers = static_cast<unsigned>(kSpareBuffers + ports.size() * kRxDescriptors);
  // One for all ports: most of it is never touched, and then costs no memory.
  const std::string name = "sluice_" + std::to_string(map.proxy);
  pool =
      ::rte_pktmbuf_pool_create(name.c_str(), buffers, kCachedBuffers, 0, kDataRoom, SOCKET_ID_ANY);
  if (pool == nullptr) {
    return fail(
        dpdk_error(rte_errno, "make a pool of " + std::to_string(buffers) + " packet buffers"));
  }
  return {};
}

Status Device::State::configure(Port& port) {
  const std::string name = port.id.to_string() + " (ethdev " + std::to_string(port.ethdev) + ")";
  rte_eth_conf conf{};
  conf.intr_conf.rxq = 1;
  if (const int r = ::rte_eth_dev_configure(port.ethdev, 1, 1, &conf); r != 0) {
    return fail(dpdk_error(-r, "configure " + name + " with Rx interrupts"));
  }
  std::uint16_t rx = kRxDescriptors;
  std::uint16_t tx = kTxDescriptors;
  if (const int r = ::rte_eth_dev_adjust_nb_rx_tx_desc(port.ethdev, &rx, &tx); r != 0) {
    return fail(dpdk_error(-r, "choose ring sizes of " + name));
  }
  if (const int r = ::rte_eth_rx_queue_setup(port.ethdev, 0, rx, SOCKET_ID_ANY, nullptr, pool);
      r != 0) {
    return fail(dpdk_error(-r, "set up the Rx queue of " + name));
  }
  if (const int r = ::rte_eth_tx_queue_setup(port.ethdev, 0, tx, SOCKET_ID_ANY, nullptr); r != 0) {
    return fail(dpdk_error(-r, "set up the Tx queue of " + name));
  }
  if (const int r = ::rte_eth_dev_start(port.ethdev); r != 0) {
    return fail(dpdk_error(-r, "start " + name));
  }
  port.started = true;
  return {};
}

Status Device::State::listen(Port& port) {
  const int r = ::rte_eth_dev_rx_intr_ctl_q(port.ethdev, 0, epoll, RTE_INTR_EVENT_ADD, &port);
  if (r != 0) return fail(dpdk_error(-r, "wait for packets of " + port.id.to_string()));
  port.listening = true;
  return {};
}

Status Device::State::start() {
  if (!::rte_flow_dynf_metadata_avail() && ::rte_flow_dynf_metadata_register() < 0) {
    return fail(dpdk_error(rte_errno, "register the mbuf field for flow metadata"));
  }
  epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return fail_errno(errno, "epoll_create1");
  for (const auto& [id, ethdev] : map.ports) {
    Port port;
    port.id = id;
    port.ethdev = ethdev;
    ports.push_back(port);
  }
  std::stable_partition(ports.begin(), ports.end(),
                        [&](const Port& p) { return p.ethdev == map.proxy; });
  SLUICE_CHECK_OK(make_pool());
  for (Port& port : ports) SLUICE_CHECK_OK(configure(port));
  for (Port& port : ports) SLUICE_CHECK_OK(listen(port));
  return {};
}

void Device::State::collect_wakeups() {
  std::array<rte_epoll_event, kBurst> events;
  // Runs the drivers' own handlers, which empty their descriptors.
  const int count = ::rte_epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    auto* port = static_cast<Port*>(events[static_cast<std::size_t>(i)].epdata.data);
    if (port->active) continue;
    ::rte_eth_dev_rx_intr_disable(port->ethdev, 0);
    port->active = true;
  }
}

void Device::State::deliver(const Port& port, rte_mbuf* mbuf, const Handler& handler) {
  std::uint32_t meta = 0;
  if ((mbuf->ol_flags & RTE_MBUF_DYNFLAG_RX_METADATA) != 0)
    meta = ::rte_flow_dynf_metadata_get(mbuf);
  if (mbuf->nb_segs == 1) {
    handler(port.id, meta, std::span(rte_pktmbuf_mtod(mbuf, std::uint8_t*), mbuf->data_len));
    return;
  }
  linear.resize(mbuf->pkt_len);
  std::size_t at = 0;
  for (const rte_mbuf* segment = mbuf; segment != nullptr; segment = segment->next) {
    const std::size_t length = std::min<std::size_t>(segment->data_len, linear.size() - at);
    std::memcpy(linear.data() + at, rte_pktmbuf_mtod(segment, const std::uint8_t*), length);
    at += length;
  }
  handler(port.id, meta, std::span(linear).first(at));
}

std::size_t Device::State::burst(const Port& port, const Handler& handler) {
  std::array<rte_mbuf*, kBurst> mbufs;
  const std::uint16_t count = ::rte_eth_rx_burst(port.ethdev, 0, mbufs.data(), kBurst);
  for (std::uint16_t i = 0; i < count; ++i) deliver(port, mbufs[i], handler);
  ::rte_pktmbuf_free_bulk(mbufs.data(), count);
  return count;
}

// One burst. An empty queue is armed, and then looked at once more: a packet that came before the
// interrupt was armed would wake nobody.
std::size_t Device::State::drain(Port& port, const Handler& handler) {
  const std::size_t first = burst(port, handler);
  if (first != 0) return first;
  ::rte_eth_dev_rx_intr_enable(port.ethdev, 0);
  const std::size_t second = burst(port, handler);
  if (second == 0) {
    port.active = false;
  } else {
    ::rte_eth_dev_rx_intr_disable(port.ethdev, 0);
  }
  return second;
}

void Device::State::close() {
  if (closed) return;
  closed = true;
  for (Port& port : ports) {
    if (port.listening) {
      ::rte_eth_dev_rx_intr_ctl_q(port.ethdev, 0, epoll, RTE_INTR_EVENT_DEL, &port);
      port.listening = false;
    }
  }
  // The proxy last: representors live on it.
  for (auto port = ports.rbegin(); port != ports.rend(); ++port) {
    if (port->started && ::rte_eth_dev_stop(port->ethdev) != 0) {
      log.warn("port did not stop", {{"port", port->id.to_string()}});
    }
    port->started = false;
  }
  for (auto port = ports.rbegin(); port != ports.rend(); ++port) {
    if (::rte_eth_dev_is_valid_port(port->ethdev) != 0) ::rte_eth_dev_close(port->ethdev);
  }
  if (epoll >= 0) ::close(epoll);
  epoll = -1;
  ::rte_mempool_free(pool);
  pool = nullptr;
}

Device::Device(std::unique_ptr<State> state) : state_(std::move(state)) {}
Device::~Device() { close(); }

Result<std::unique_ptr<Device>> Device::open(const std::string& proxy, Logger log) {
  auto state = std::make_unique<State>();
  state->log = std::move(log);
  SLUICE_TRY(state->map, find_ports(proxy));
  std::unique_ptr<Device> device(
      new Device(std::move(state)));  // closes what is open when start fails
  if (auto started = device->state_->start(); !started) {
    return fail(std::move(started.error()).with("opening " + proxy));
  }
  return device;
}

const EthPorts& Device::ports() const { return state_->map; }

model::Capabilities Device::capabilities() const {
  model::Capabilities capabilities;
  capabilities.backend = "rteflow";
  capabilities.device = state_->map.device;
  capabilities.vfs = static_cast<std::uint16_t>(
      std::count_if(state_->map.ports.begin(), state_->map.ports.end(),
                    [](const auto& p) { return p.first.kind == model::PortId::Kind::kVf; }));
  return capabilities;
}

std::vector<int> Device::rx_fds() const {
  return state_->epoll < 0 ? std::vector<int>{} : std::vector<int>{state_->epoll};
}

std::size_t Device::receive(const Handler& handler) {
  State& s = *state_;
  if (s.closed) return 0;
  s.collect_wakeups();
  std::size_t total = 0;
  for (State::Port& port : s.ports) {
    if (port.active) total += s.drain(port, handler);
  }
  return total;
}

Status Device::set_mtu(std::uint16_t mtu) {
  for (const auto& [port, ethdev] : state_->map.ports) {
    if (const int error = ::rte_eth_dev_set_mtu(ethdev, mtu); error != 0) {
      return fail(
          dpdk_error(-error, "set the MTU of " + port.to_string() + " to " + std::to_string(mtu)));
    }
  }
  return {};
}

Status Device::send(model::PortId port, std::span<const std::uint8_t> frame) {
  State& s = *state_;
  const auto ethdev = s.map.ethdev_of(port);
  if (s.closed || !ethdev) return fail(Code::kNotFound, "the NIC has no port " + port.to_string());
  if (frame.empty() || frame.size() > kMaxFrameBytes) {
    return fail(Code::kInvalid, "a frame has " + std::to_string(frame.size()) +
                                    " bytes, must have 1 to " + std::to_string(kMaxFrameBytes));
  }
  rte_mbuf* mbuf = ::rte_pktmbuf_alloc(s.pool);
  if (mbuf == nullptr) return fail(Code::kExhausted, "no packet buffer is free");
  const auto length = static_cast<std::uint16_t>(frame.size());
  std::memcpy(::rte_pktmbuf_append(mbuf, length), frame.data(), frame.size());
  if (::rte_eth_tx_burst(*ethdev, 0, &mbuf, 1) == 1) return {};
  ::rte_pktmbuf_free(mbuf);
  return fail(Code::kExhausted, "the Tx queue of " + port.to_string() + " is full");
}

void Device::close() { state_->close(); }

}  // namespace sluice::rteflow
