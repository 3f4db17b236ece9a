// SPDX-License-Identifier: Apache-2.0
// pmd.nat1k and pmd.nat1k.pipeline: CPU time a packet of the datapath's thread, from a packet
// generator (net_pcap, its copy of each packet is part of the figure) through net_esw to net_null.
//   pmd.nat1k           one group, a thousand destinations, each with its DNAT rule
//   pmd.nat1k.pipeline  the same packets: ingress check, exact connection with DNAT, forward by
//   address
#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "offload/pmd/net_esw.h"

namespace {

constexpr std::uint32_t kDestinations = 1000, kBackends = 100;
constexpr int kRuns = 9;
constexpr auto kWindow = std::chrono::milliseconds(400);
constexpr std::uint32_t kClient = 0x0a000001, kService = 0x0a600000, kBackend = 0x0a010000;
constexpr std::uint8_t kSource[6] = {2, 0, 0, 0, 0, 1}, kGateway[6] = {2, 0, 0, 0, 0, 2};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "nat_bench: %s\n", what.c_str());
  std::exit(1);
}
void need(bool ok, const char* what) {
  if (!ok) die(what);
}

void put(std::vector<std::uint8_t>& out, std::uint32_t value, int bytes) {
  while (bytes-- > 0) out.push_back(static_cast<std::uint8_t>(value >> (8 * bytes)));
}

std::uint16_t checksum(const std::uint8_t* at, std::size_t n) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < n; i += 2)
    sum += static_cast<std::uint32_t>(at[i] << 8 | at[i + 1]);
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

// One UDP packet of 60 bytes a destination, in a pcap file (libpcap's format, big endian).
std::string write_pcap() {
  std::vector<std::uint8_t> file;
  put(file, 0xa1b2c3d4, 4);
  put(file, 2, 2);
  put(file, 4, 2);
  put(file, 0, 4);
  put(file, 0, 4);
  put(file, 65535, 4);
  put(file, 1, 4);  // Ethernet
  for (std::uint32_t i = 0; i < kDestinations; ++i) {
    std::vector<std::uint8_t> p(kGateway, kGateway + 6);
    p.insert(p.end(), kSource, kSource + 6);
    put(p, 0x0800, 2);
    put(p, 0x4500002e, 4);  // 46 bytes of IP
    put(p, i, 2);
    put(p, 0, 2);
    put(p, 0x40110000, 4);  // TTL 64, UDP
    put(p, kClient, 4);
    put(p, kService + i, 4);
    const std::uint16_t sum = checksum(p.data() + 14, 20);
    p[24] = static_cast<std::uint8_t>(sum >> 8U);
    p[25] = static_cast<std::uint8_t>(sum);
    put(p, 40000, 2);
    put(p, 80, 2);
    put(p, 26, 2);
    put(p, 0xbeef, 2);  // a checksum to be updated; nobody here verifies it
    p.resize(60, 0);
    put(file, i, 4);
    put(file, 0, 4);
    put(file, 60, 4);
    put(file, 60, 4);
    file.insert(file.end(), p.begin(), p.end());
  }
  std::string name = (std::filesystem::temp_directory_path() / "slbench-XXXXXX").string();
  const int fd = ::mkstemp(name.data());
  need(fd >= 0, "can't make a temporary file");
  ::close(fd);
  std::ofstream(name, std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  return name;
}

// A rule of the two rule sets below.
class Rule {
 public:
  explicit Rule(std::uint32_t group) {
    attr_.group = group;
    attr_.transfer = 1;
    std::memset(&full_, 0xff, sizeof full_);
  }
  void item(rte_flow_item_type type, const void* spec, const void* mask) {
    items_.push_back({type, spec, nullptr, mask});
  }
  void action(rte_flow_action_type type, const void* conf) { actions_.push_back({type, conf}); }
  void install(std::uint16_t port) {
    items_.push_back({RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr, nullptr});
    actions_.push_back({RTE_FLOW_ACTION_TYPE_END, nullptr});
    rte_flow_error error{};
    if (::rte_flow_create(port, &attr_, items_.data(), actions_.data(), &error) == nullptr) {
      die(error.message == nullptr ? "rule refused" : error.message);
    }
  }

 private:
  rte_flow_attr attr_{};
  std::vector<rte_flow_item> items_;
  std::vector<rte_flow_action> actions_;
  rte_flow_item_ethdev full_{};
};

struct Confs {
  rte_flow_action_set_mac smac{}, dmac{};
  rte_flow_action_set_ipv4 ip{};
  rte_flow_action_set_tp port{};
  rte_flow_action_ethdev out{};
};

rte_flow_item_ipv4 ip_item(std::uint32_t src, std::uint32_t dst) {
  rte_flow_item_ipv4 i{};
  i.hdr.src_addr = rte_cpu_to_be_32(src);
  i.hdr.dst_addr = rte_cpu_to_be_32(dst);
  return i;
}
rte_flow_item_udp udp_item(std::uint16_t src, std::uint16_t dst) {
  rte_flow_item_udp u{};
  u.hdr.src_port = rte_cpu_to_be_16(src);
  u.hdr.dst_port = rte_cpu_to_be_16(dst);
  return u;
}

void one_group(std::uint16_t uplink, std::uint16_t out) {
  for (std::uint32_t i = 0; i < kDestinations; ++i) {
    Confs c;
    const auto ip = ip_item(0, kService + i), ip_mask = ip_item(0, 0xffffffff);
    const auto udp = udp_item(0, 80), udp_mask = udp_item(0, 0xffff);
    c.dmac.mac_addr[5] = static_cast<std::uint8_t>(i);
    c.ip.ipv4_addr = rte_cpu_to_be_32(kBackend + i % kBackends);
    c.port.port = rte_cpu_to_be_16(8080);
    c.out.port_id = out;
    Rule rule(0);
    rule.item(RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr);
    rule.item(RTE_FLOW_ITEM_TYPE_IPV4, &ip, &ip_mask);
    rule.item(RTE_FLOW_ITEM_TYPE_UDP, &udp, &udp_mask);
    rule.action(RTE_FLOW_ACTION_TYPE_SET_MAC_DST, &c.dmac);
    rule.action(RTE_FLOW_ACTION_TYPE_SET_IPV4_DST, &c.ip);
    rule.action(RTE_FLOW_ACTION_TYPE_SET_TP_DST, &c.port);
    rule.action(RTE_FLOW_ACTION_TYPE_DEC_TTL, nullptr);
    rule.action(RTE_FLOW_ACTION_TYPE_COUNT, nullptr);
    rule.action(RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, &c.out);
    rule.install(uplink);
  }
}

void ingress(std::uint16_t uplink) {
  rte_flow_item_ethdev in{}, in_mask{};
  in.port_id = uplink;
  in_mask.port_id = 0xffff;
  rte_flow_item_eth eth{}, eth_mask{};
  std::memcpy(eth.hdr.src_addr.addr_bytes, kSource, 6);
  std::memset(eth_mask.hdr.src_addr.addr_bytes, 0xff, 6);
  const auto ip = ip_item(kClient, 0), ip_mask = ip_item(0xffffffff, 0);
  const rte_flow_action_set_meta meta{0x10000, 0xffffffff};
  const rte_flow_action_jump jump{1};
  Rule rule(0);
  rule.item(RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, &in, &in_mask);
  rule.item(RTE_FLOW_ITEM_TYPE_ETH, &eth, &eth_mask);
  rule.item(RTE_FLOW_ITEM_TYPE_IPV4, &ip, &ip_mask);
  rule.action(RTE_FLOW_ACTION_TYPE_SET_META, &meta);
  rule.action(RTE_FLOW_ACTION_TYPE_JUMP, &jump);
  rule.install(uplink);
}

void four_groups(std::uint16_t uplink, std::uint16_t out) {
  ingress(uplink);
  const auto all_ip = ip_item(0xffffffff, 0xffffffff), to_ip = ip_item(0, 0xffffffff);
  const auto all_udp = udp_item(0xffff, 0xffff);
  const rte_flow_action_jump jump{3};
  for (std::uint32_t i = 0; i < kDestinations; ++i) {
    Confs c;
    const auto ip = ip_item(kClient, kService + i);
    const auto udp = udp_item(40000, 80);
    c.ip.ipv4_addr = rte_cpu_to_be_32(kBackend + i % kBackends);
    c.port.port = rte_cpu_to_be_16(8080);
    Rule rule(1);
    rule.item(RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr);
    rule.item(RTE_FLOW_ITEM_TYPE_IPV4, &ip, &all_ip);
    rule.item(RTE_FLOW_ITEM_TYPE_UDP, &udp, &all_udp);
    rule.action(RTE_FLOW_ACTION_TYPE_SET_IPV4_DST, &c.ip);
    rule.action(RTE_FLOW_ACTION_TYPE_SET_TP_DST, &c.port);
    rule.action(RTE_FLOW_ACTION_TYPE_COUNT, nullptr);
    rule.action(RTE_FLOW_ACTION_TYPE_JUMP, &jump);
    rule.install(uplink);
  }
  for (std::uint32_t i = 0; i < kBackends; ++i) {
    Confs c;
    const auto ip = ip_item(0, kBackend + i);
    std::memcpy(c.smac.mac_addr, kGateway, 6);
    c.dmac.mac_addr[5] = static_cast<std::uint8_t>(i);
    c.out.port_id = out;
    Rule rule(3);
    rule.item(RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr);
    rule.item(RTE_FLOW_ITEM_TYPE_IPV4, &ip, &to_ip);
    rule.action(RTE_FLOW_ACTION_TYPE_SET_MAC_SRC, &c.smac);
    rule.action(RTE_FLOW_ACTION_TYPE_SET_MAC_DST, &c.dmac);
    rule.action(RTE_FLOW_ACTION_TYPE_DEC_TTL, nullptr);
    rule.action(RTE_FLOW_ACTION_TYPE_COUNT, nullptr);
    rule.action(RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, &c.out);
    rule.install(uplink);
  }
}

// Nanoseconds that the datapath's thread has run.
std::uint64_t thread_cpu() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    if (name != "net_esw") continue;
    std::uint64_t ns = 0;
    std::ifstream(task.path() / "schedstat") >> ns;
    return ns;
  }
  die("no thread net_esw");
}

std::uint64_t packets_of(const std::string& device, std::uint16_t port, bool tx) {
  const auto c = sluice::pmd::port_counters(device, port);
  need(c.has_value(), "no counters");
  return tx ? c->leg.tx_packets : c->leg.rx_packets;
}

std::uint16_t open_port(const std::string& name, rte_mempool* pool) {
  std::uint16_t id = 0;
  const rte_eth_conf conf{};
  need(::rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0, "port missing");
  need(::rte_eth_dev_configure(id, 1, 1, &conf) == 0, "configure");
  need(::rte_eth_rx_queue_setup(id, 0, 512, SOCKET_ID_ANY, nullptr, pool) == 0, "Rx queue");
  need(::rte_eth_tx_queue_setup(id, 0, 512, SOCKET_ID_ANY, nullptr) == 0, "Tx queue");
  return id;
}

void bench(const char* name, int number, const std::string& pcap, rte_mempool* pool,
           void (*rules)(std::uint16_t, std::uint16_t)) {
  const char* only = std::getenv("SLUICE_BENCH_ONLY");
  if (only != nullptr && std::strncmp(name, only, std::strlen(only)) != 0) return;
  const std::string n = std::to_string(number);
  const std::string source = "net_pcap" + n, sink = "net_null" + n, device = "net_esw" + n;
  need(::rte_vdev_init(source.c_str(), ("rx_pcap=" + pcap + ",infinite_rx=1").c_str()) == 0,
       "net_pcap");
  need(::rte_vdev_init(sink.c_str(), "no-rx=1") == 0, "net_null");
  need(::rte_vdev_init(device.c_str(),
                       ("host=0,representor=vf0,leg=" + source + ",leg=" + sink).c_str()) == 0,
       "net_esw");
  const std::uint16_t uplink = open_port(device, pool);
  const std::uint16_t vf = open_port(device + "_representor_vf0", pool);
  rules(uplink, vf);
  need(::rte_eth_dev_start(vf) == 0 && ::rte_eth_dev_start(uplink) == 0, "start");
  std::this_thread::sleep_for(kWindow);  // caches, branch predictors
  std::vector<double> samples;
  std::printf("RAW %s", name);
  for (int i = 0; i < kRuns; ++i) {
    const std::uint64_t sent = packets_of(device, 2, true);
    const std::uint64_t in = packets_of(device, 0, false);
    const std::uint64_t cpu = thread_cpu();
    std::this_thread::sleep_for(kWindow);
    const std::uint64_t cpu_used = thread_cpu() - cpu;
    const std::uint64_t packets = packets_of(device, 0, false) - in;
    const std::uint64_t out = packets_of(device, 2, true) - sent;
    // Windows are not cut at the same packet at both ends: a little slack.
    need(packets > 0 && out > packets / 2, "packets were not forwarded");
    samples.push_back(static_cast<double>(cpu_used) / static_cast<double>(packets));
    std::printf(" %.2f", samples.back());
  }
  std::sort(samples.begin(), samples.end());
  const double median = samples[samples.size() / 2];
  std::printf("\nBENCH %s ours=%.2f peer=absent ratio=- unit=ns/packet runs=%d spread=%.3f\n", name,
              median, kRuns, (samples.back() - samples.front()) / median);
  std::fflush(stdout);
  ::rte_vdev_uninit(device.c_str());
  ::rte_vdev_uninit(sink.c_str());
  ::rte_vdev_uninit(source.c_str());
}

}  // namespace

int main() {
  sluice::pmd::link_driver();
  std::string prefix = "--file-prefix=slbench" + std::to_string(::getpid());
  char words[][24] = {"nat_bench", "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m",
                      "256",       "-l",        "0"};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word);
  argv.push_back(prefix.data());
  need(::rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0, "EAL");
  rte_mempool* pool =
      ::rte_pktmbuf_pool_create("bench", 16383, 256, 0, RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY);
  need(pool != nullptr, "mempool");
  const std::string pcap = write_pcap();
  bench("pmd.nat1k", 0, pcap, pool, one_group);
  bench("pmd.nat1k.pipeline", 1, pcap, pool, four_groups);
  std::filesystem::remove(pcap);
  std::filesystem::remove_all("/var/run/dpdk/slbench" + std::to_string(::getpid()));
  return 0;
}
