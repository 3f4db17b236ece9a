// SPDX-License-Identifier: Apache-2.0
#include "tests/netns/pmd/nic.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "offload/pmd/net_esw.h"

namespace sluice::test {
namespace {

const char* const kSuffix[] = {"", "_host", "_representor_vf0", "_representor_vf1"};

bool start_eal() {
  pmd::link_driver();
  std::string prefix = "--file-prefix=sl" + std::to_string(::getpid());
  std::vector<std::string> words{
      "pmd_test",    "--no-huge", "--no-pci", "--no-telemetry",
      "--no-shconf", "-m",        "256",      "--log-level=lib.eal:warning",
      prefix,        "--lcores",  "0@(0-1)"};
  if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) words.back() = "0@0";
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  const bool started = ::rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
  // EAL leaves its directory even where it shares nothing by it.
  ::rmdir(("/var/run/dpdk/sl" + std::to_string(::getpid())).c_str());
  return started;
}

template <class T>
T filled() {
  T t{};
  std::memset(static_cast<void*>(&t), 0xff, sizeof t);
  return t;
}

}  // namespace

void need_eal() {
  static const bool started = start_eal();
  REQUIRE(started);
}

std::string next_device_name() {
  static int number = 0;
  return "net_esw" + std::to_string(number++);
}

int plug(const std::string& name, const std::string& args) {
  need_eal();
  return ::rte_vdev_init(name.c_str(), args.c_str());
}
void unplug(const std::string& name) { ::rte_vdev_uninit(name.c_str()); }

Nic::Nic(const std::string& more_args, bool legs, bool wire_offload) : name_(next_device_name()) {
  REQUIRE(plug(name_, "representor=vf[0-1]" + more_args) == 0);
  pool_ = ::rte_pktmbuf_pool_create((name_ + "_pool").c_str(), 8191, 32, 0,
                                    RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY);
  REQUIRE(pool_ != nullptr);
  for (std::uint16_t port = 0; port < 4; ++port) {
    std::uint16_t id = 0;
    REQUIRE(::rte_eth_dev_get_port_by_name((name_ + kSuffix[port]).c_str(), &id) == 0);
    ethdevs_[port] = id;
    rte_eth_conf conf{};
    conf.intr_conf.rxq = 1;
    REQUIRE(::rte_eth_dev_configure(id, 1, 1, &conf) == 0);
    REQUIRE(::rte_eth_rx_queue_setup(id, 0, 1024, SOCKET_ID_ANY, nullptr, pool_) == 0);
    REQUIRE(::rte_eth_tx_queue_setup(id, 0, 64, SOCKET_ID_ANY, nullptr) == 0);
  }
  for (const auto& [port, id] : ethdevs_) REQUIRE(::rte_eth_dev_start(id) == 0);
  for (std::uint16_t port = 0; legs && port < 4; ++port) attach(port, wire_offload);
}

Nic::~Nic() {
  unplug(name_);
  ::rte_mempool_free(pool_);
}

void Nic::attach(std::uint16_t port, bool offload) {
  auto wire = legs::MemoryWire::create({offload, 8192});
  REQUIRE(wire);
  wires_[port] = *wire;
  REQUIRE(pmd::attach_leg(name_, port, std::make_unique<legs::MemoryLeg>(*wire)));
}

void Nic::send(std::uint16_t port, const Frame& frame) {
  rte_mbuf* m = ::rte_pktmbuf_alloc(pool_);
  REQUIRE(m != nullptr);
  char* at = ::rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.size()));
  REQUIRE(at != nullptr);
  std::memcpy(at, frame.data(), frame.size());
  REQUIRE(::rte_eth_tx_burst(ethdev(port), 0, &m, 1) == 1);
}

std::optional<Punted> Nic::receive(std::uint16_t port) {
  rte_mbuf* m = nullptr;
  if (::rte_eth_rx_burst(ethdev(port), 0, &m, 1) == 0) return std::nullopt;
  CHECK(m->port == ethdev(port));
  Punted p;
  for (const rte_mbuf* s = m; s != nullptr; s = s->next) {
    const auto* bytes = rte_pktmbuf_mtod(s, const std::uint8_t*);
    p.bytes.insert(p.bytes.end(), bytes, bytes + s->data_len);
  }
  CHECK(p.bytes.size() == m->pkt_len);
  if (::rte_flow_dynf_metadata_avail() != 0 && (m->ol_flags & RTE_MBUF_DYNFLAG_RX_METADATA) != 0) {
    p.meta = ::rte_flow_dynf_metadata_get(m);
  }
  ::rte_pktmbuf_free(m);
  return p;
}

std::optional<Punted> Nic::punted(std::uint16_t port, Duration patience) {
  const int fd = ::rte_eth_dev_rx_intr_ctl_q_get_fd(ethdev(port), 0);
  REQUIRE(fd >= 0);
  for (;;) {
    if (auto got = receive(port)) return got;
    REQUIRE(::rte_eth_dev_rx_intr_enable(ethdev(port), 0) == 0);
    pollfd wait{fd, POLLIN, 0};
    const int woken = ::poll(
        &wait, 1,
        static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(patience).count()));
    ::rte_eth_dev_rx_intr_disable(ethdev(port), 0);
    if (woken <= 0) return std::nullopt;
  }
}

void Nic::arrive(std::uint16_t port, const Frame& frame, const legs::Offload& offload) {
  REQUIRE(wire(port).push(frame, offload));
}

void Nic::settle(std::uint16_t port) {
  // A frame of a kind that no rule of these tests matches is punted, behind all that came before.
  Frame marker(60, 0x5a);
  marker[12] = 0x88;
  marker[13] = 0xb5;  // IEEE 802 local experimental
  arrive(port, marker);
  for (;;) {
    const auto got = punted(port);
    REQUIRE(got);
    if (got->bytes == marker) return;
  }
}

Flow& Flow::group(std::uint32_t value) {
  attr_.group = value;
  return *this;
}
Flow& Flow::priority(std::uint32_t value) {
  attr_.priority = value;
  return *this;
}
Flow& Flow::not_transfer() {
  attr_.ingress = 1;
  attr_.transfer = 0;
  return *this;
}

Flow& Flow::from(std::uint16_t ethdev) {
  rte_flow_item_ethdev spec{};
  spec.port_id = ethdev;
  return item(RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, spec, filled<rte_flow_item_ethdev>());
}

Flow& Flow::eth(const std::optional<MacAddr>& src, const std::optional<MacAddr>& dst,
                std::optional<std::uint16_t> type) {
  rte_flow_item_eth spec{};
  rte_flow_item_eth mask{};
  if (src) {
    std::memcpy(spec.hdr.src_addr.addr_bytes, src->bytes.data(), 6);
    std::memset(mask.hdr.src_addr.addr_bytes, 0xff, 6);
  }
  if (dst) {
    std::memcpy(spec.hdr.dst_addr.addr_bytes, dst->bytes.data(), 6);
    std::memset(mask.hdr.dst_addr.addr_bytes, 0xff, 6);
  }
  if (type) {
    spec.hdr.ether_type = rte_cpu_to_be_16(*type);
    mask.hdr.ether_type = 0xffff;
  }
  return item(RTE_FLOW_ITEM_TYPE_ETH, spec, mask);
}

Flow& Flow::ip4(const std::optional<Prefix4>& src, const std::optional<Prefix4>& dst) {
  rte_flow_item_ipv4 spec{};
  rte_flow_item_ipv4 mask{};
  if (src) {
    spec.hdr.src_addr = rte_cpu_to_be_32(src->address.value);
    mask.hdr.src_addr = rte_cpu_to_be_32(src->mask());
  }
  if (dst) {
    spec.hdr.dst_addr = rte_cpu_to_be_32(dst->address.value);
    mask.hdr.dst_addr = rte_cpu_to_be_32(dst->mask());
  }
  return item(RTE_FLOW_ITEM_TYPE_IPV4, spec, mask);
}

Flow& Flow::tcp(std::optional<std::uint16_t> src, std::optional<std::uint16_t> dst,
                std::uint8_t flags, std::uint8_t flags_mask) {
  rte_flow_item_tcp spec{};
  rte_flow_item_tcp mask{};
  if (src) spec.hdr.src_port = rte_cpu_to_be_16(*src), mask.hdr.src_port = 0xffff;
  if (dst) spec.hdr.dst_port = rte_cpu_to_be_16(*dst), mask.hdr.dst_port = 0xffff;
  spec.hdr.tcp_flags = flags;
  mask.hdr.tcp_flags = flags_mask;
  return item(RTE_FLOW_ITEM_TYPE_TCP, spec, mask);
}

Flow& Flow::udp(std::optional<std::uint16_t> src, std::optional<std::uint16_t> dst) {
  rte_flow_item_udp spec{};
  rte_flow_item_udp mask{};
  if (src) spec.hdr.src_port = rte_cpu_to_be_16(*src), mask.hdr.src_port = 0xffff;
  if (dst) spec.hdr.dst_port = rte_cpu_to_be_16(*dst), mask.hdr.dst_port = 0xffff;
  return item(RTE_FLOW_ITEM_TYPE_UDP, spec, mask);
}

Flow& Flow::icmp(std::uint8_t type) {
  rte_flow_item_icmp spec{};
  rte_flow_item_icmp mask{};
  spec.hdr.icmp_type = type;
  mask.hdr.icmp_type = 0xff;
  return item(RTE_FLOW_ITEM_TYPE_ICMP, spec, mask);
}

Flow& Flow::vxlan(std::uint32_t vni) {
  rte_flow_item_vxlan spec{};
  rte_flow_item_vxlan mask{};
  const std::uint8_t bytes[] = {static_cast<std::uint8_t>(vni >> 16U),
                                static_cast<std::uint8_t>(vni >> 8U),
                                static_cast<std::uint8_t>(vni)};
  std::memcpy(spec.vni, bytes, 3);
  std::memset(mask.vni, 0xff, 3);
  return item(RTE_FLOW_ITEM_TYPE_VXLAN, spec, mask);
}

Flow& Flow::meta(std::uint32_t value, std::uint32_t mask) {
  rte_flow_item_meta s{};
  rte_flow_item_meta m{};
  s.data = value;
  m.data = mask;
  return item(RTE_FLOW_ITEM_TYPE_META, s, m);
}

Flow& Flow::punt() {
  return action(RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR, rte_flow_action_ethdev{0xffff});
}
Flow& Flow::output(std::uint16_t ethdev) {
  return action(RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, rte_flow_action_ethdev{ethdev});
}
Flow& Flow::jump(std::uint32_t to) {
  return action(RTE_FLOW_ACTION_TYPE_JUMP, rte_flow_action_jump{to});
}
Flow& Flow::set_meta(std::uint32_t value, std::uint32_t mask) {
  return action(RTE_FLOW_ACTION_TYPE_SET_META, rte_flow_action_set_meta{value, mask});
}
Flow& Flow::set_mac(rte_flow_action_type type, const MacAddr& mac) {
  rte_flow_action_set_mac conf{};
  std::memcpy(conf.mac_addr, mac.bytes.data(), 6);
  return action(type, conf);
}
Flow& Flow::set_ip(rte_flow_action_type type, Ipv4 address) {
  return action(type, rte_flow_action_set_ipv4{rte_cpu_to_be_32(address.value)});
}
Flow& Flow::set_port(rte_flow_action_type type, std::uint16_t port) {
  return action(type, rte_flow_action_set_tp{rte_cpu_to_be_16(port)});
}

Flow& Flow::encap(const Eth& outer, Ipv4 src, Ipv4 dst, std::uint32_t vni) {
  Flow headers;
  headers.eth(outer.src, outer.dst, 0x0800)
      .ip4(Prefix4{src, 32}, Prefix4{dst, 32})
      .udp({}, std::uint16_t{4789})
      .vxlan(vni)
      .item(RTE_FLOW_ITEM_TYPE_END);
  auto definition = std::make_shared<std::vector<rte_flow_item>>(headers.items_);
  for (auto& stored : headers.storage_) storage_.push_back(stored);
  rte_flow_action_vxlan_encap conf{};
  conf.definition = definition->data();
  storage_.push_back(definition);
  return action(RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP, conf);
}

void Flow::end() {
  if (items_.empty() || items_.back().type != RTE_FLOW_ITEM_TYPE_END) {
    item(RTE_FLOW_ITEM_TYPE_END);
    action(RTE_FLOW_ACTION_TYPE_END);
    if (attr_.ingress == 0) attr_.transfer = 1;
  }
}

int Flow::validate(std::uint16_t ethdev, rte_flow_error& error) {
  end();
  return ::rte_flow_validate(ethdev, &attr_, items_.data(), actions_.data(), &error);
}

rte_flow* Flow::create(std::uint16_t ethdev, rte_flow_error& error) {
  end();
  return ::rte_flow_create(ethdev, &attr_, items_.data(), actions_.data(), &error);
}

rte_flow* Flow::create(std::uint16_t ethdev) {
  rte_flow_error error{};
  rte_flow* flow = create(ethdev, error);
  INFO((error.message == nullptr ? "" : error.message));
  REQUIRE(flow != nullptr);
  return flow;
}

Hits query(std::uint16_t ethdev, rte_flow* flow, bool reset) {
  const rte_flow_action actions[] = {{RTE_FLOW_ACTION_TYPE_COUNT, nullptr},
                                     {RTE_FLOW_ACTION_TYPE_END, nullptr}};
  rte_flow_query_count count{};
  count.reset = reset ? 1 : 0;
  rte_flow_error error{};
  REQUIRE(::rte_flow_query(ethdev, flow, actions, &count, &error) == 0);
  REQUIRE((count.hits_set != 0));
  return {count.hits, count.bytes};
}

}  // namespace sluice::test
