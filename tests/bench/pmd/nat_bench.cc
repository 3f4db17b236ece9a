// SPDX-License-Identifier: Apache-2.0
// pmd.nat1k and pmd.nat1k.pipeline: CPU time a packet of the datapath's thread, from a packet
// generator (net_pcap, its copy of each packet is part of the figure) through net_esw to net_null.
//   pmd.nat1k           one group, a thousand destinations, each with its DNAT rule
//   pmd.nat1k.pipeline  the same packets from a VF to veth pods, by the rules that the planner and
//                       the slow path make for them: ingress check, exact connection, forward
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
#include "tests/bench/pmd/planned.h"
#include "tests/bench/pmd/traffic.h"

namespace {

using namespace sluice::bench;

constexpr int kRuns = 9;
constexpr auto kWindow = std::chrono::milliseconds(400);

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "nat_bench: %s\n", what.c_str());
  std::exit(1);
}
void need(bool ok, const char* what) {
  if (!ok) die(what);
}

// A rule of the one group.
class Rule {
 public:
  explicit Rule(std::uint32_t group) {
    attr_.group = group;
    attr_.transfer = 1;
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
    const auto ip = ip_item(0, kService.value + i), ip_mask = ip_item(0, 0xffffffff);
    const auto udp = udp_item(0, 80), udp_mask = udp_item(0, 0xffff);
    c.dmac.mac_addr[5] = static_cast<std::uint8_t>(i);
    c.ip.ipv4_addr = rte_cpu_to_be_32(kBackend.value + i % kBackends);
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

// A net_esw between a generator and a sink; numbers are switch ports (offload/pmd/net_esw.h).
struct Setup {
  const char* name;
  std::string device_args;                 // without its legs
  std::vector<std::string> port_suffixes;  // of the ethdevs, in the order of the legs
  std::vector<std::uint16_t> ports;        // the switch ports of those
  std::size_t in, out;                     // which of them
};

bool wanted(const char* name) {
  const char* only = std::getenv("SLUICE_BENCH_ONLY");
  return only == nullptr || std::strncmp(name, only, std::strlen(only)) == 0;
}

void measure(const Setup& setup, const std::string& device) {
  const std::uint16_t from = setup.ports[setup.in], to = setup.ports[setup.out];
  std::this_thread::sleep_for(kWindow);  // caches, branch predictors
  std::vector<double> samples;
  std::printf("RAW %s", setup.name);
  for (int i = 0; i < kRuns; ++i) {
    const std::uint64_t sent = packets_of(device, to, true);
    const std::uint64_t in = packets_of(device, from, false);
    const std::uint64_t cpu = thread_cpu();
    std::this_thread::sleep_for(kWindow);
    const std::uint64_t cpu_used = thread_cpu() - cpu;
    const std::uint64_t packets = packets_of(device, from, false) - in;
    const std::uint64_t out = packets_of(device, to, true) - sent;
    // Windows are not cut at the same packet at both ends: a little slack.
    need(packets > 0 && out > packets - packets / 20, "packets were not forwarded");
    samples.push_back(static_cast<double>(cpu_used) / static_cast<double>(packets));
    std::printf(" %.2f", samples.back());
  }
  std::sort(samples.begin(), samples.end());
  const double median = samples[samples.size() / 2];
  std::printf("\nBENCH %s ours=%.2f peer=absent ratio=- unit=ns/packet runs=%d spread=%.3f\n",
              setup.name, median, kRuns, (samples.back() - samples.front()) / median);
  std::fflush(stdout);
}

// `rules` gets the device's name and its ethdevs in the order of the legs; what it returns is kept
// while the packets flow.
template <class Rules>
void bench(const Setup& setup, const std::string& pcap, rte_mempool* pool, const Rules& rules) {
  if (!wanted(setup.name)) return;
  static int number = 0;
  const std::string n = std::to_string(number++), device = "net_esw" + n;
  std::vector<std::string> legs;
  std::string args = setup.device_args;
  for (std::size_t i = 0; i < setup.ports.size(); ++i) {
    const bool source = i == setup.in;
    legs.push_back((source ? "net_pcap" : "net_null") + n + "_" + std::to_string(i));
    const std::string how = source ? "rx_pcap=" + pcap + ",infinite_rx=1" : "no-rx=1";
    need(::rte_vdev_init(legs.back().c_str(), how.c_str()) == 0, "a leg");
    args += ",leg=" + legs.back();
  }
  need(::rte_vdev_init(device.c_str(), args.c_str()) == 0, "net_esw");
  std::vector<std::uint16_t> ethdevs;
  for (const auto& suffix : setup.port_suffixes) {
    ethdevs.push_back(open_port(device + suffix, pool));
  }
  {
    [[maybe_unused]] const auto kept = rules(device, ethdevs);
    // The uplink, which is the proxy, last: with it the packets begin to flow.
    for (auto it = ethdevs.rbegin(); it != ethdevs.rend(); ++it) {
      need(::rte_eth_dev_start(*it) == 0, "start");
    }
    measure(setup, device);
  }
  ::rte_vdev_uninit(device.c_str());
  for (const auto& leg : legs) ::rte_vdev_uninit(leg.c_str());
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
  need(!pcap.empty(), "can't write the packets' file");
  bench({"pmd.nat1k", "host=0,representor=vf0", {"", "_representor_vf0"}, {0, 2}, 0, 1}, pcap, pool,
        [](const std::string&, const std::vector<std::uint16_t>& ethdevs) {
          one_group(ethdevs[0], ethdevs[1]);
          return 0;
        });
  bench({"pmd.nat1k.pipeline",
         "host=1,representor=vf0",
         {"", "_host", "_representor_vf0"},
         {0, 1, 2},
         2,
         1},
        pcap, pool, [](const std::string& device, const std::vector<std::uint16_t>&) {
          auto planned = Planned::install(device);
          if (!planned) die(planned.error().to_string());
          return std::move(*planned);
        });
  std::filesystem::remove(pcap);
  std::filesystem::remove_all("/var/run/dpdk/slbench" + std::to_string(::getpid()));
  return 0;
}
