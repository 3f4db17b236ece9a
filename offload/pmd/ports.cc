// SPDX-License-Identifier: Apache-2.0
#include "offload/pmd/ports.h"

#include <ethdev_driver.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstdio>
#include <new>

#include "offload/pmd/flow_ops.h"
#include "offload/pmd/mbufs.h"
#include "offload/pmd/switch.h"

// Every function here is called from C: none may throw, and those that could are wrapped.
namespace sluice::pmd {
namespace {

constexpr std::uint16_t kMinMtu = 68;  // RFC 791
constexpr std::uint16_t kMaxMtu = 65535;

void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

std::uint16_t rx_burst(void* rx_queue, rte_mbuf** mbufs, std::uint16_t n) {
  auto& queue = *static_cast<Port::Queue*>(rx_queue);
  if (!queue.first) return 0;
  return static_cast<std::uint16_t>(
      rte_ring_dequeue_burst(queue.port->up, reinterpret_cast<void**>(mbufs), n, nullptr));
}

std::uint16_t tx_burst(void* tx_queue, rte_mbuf** mbufs, std::uint16_t n) {
  Port& port = *static_cast<Port::Queue*>(tx_queue)->port;
  std::uint64_t bytes = 0;
  for (std::uint16_t i = 0; i < n; ++i) bytes += mbufs[i]->pkt_len;
  const unsigned taken =
      rte_ring_enqueue_burst(port.down, reinterpret_cast<void**>(mbufs), n, nullptr);
  if (taken == 0) return 0;
  bump(port.tx_packets, taken);
  bump(port.tx_bytes, taken == n ? bytes : 0);
  port.owner->datapath().wake();
  return static_cast<std::uint16_t>(taken);
}

int configure(rte_eth_dev*) { return 0; }

int start_ethdev_legs(Switch& sw) {
  std::uint16_t index = 0;
  for (const std::string& name : sw.options().ethdev_legs) {
    while (sw.port(index) == nullptr) ++index;  // the driver has counted: there are enough
    std::uint16_t leg = 0;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &leg) != 0) return -ENODEV;
    rte_mempool* pool = sw.port(index)->pool.load();
    if (pool == nullptr) pool = sw.port(kUplinkPort)->pool.load();
    if (pool == nullptr) return -EINVAL;  // no Rx queue was set up: nowhere to take mbufs from
    const rte_eth_conf conf{};
    std::uint16_t rx = 1024;
    std::uint16_t tx = 1024;
    if (int r = rte_eth_dev_configure(leg, 1, 1, &conf); r != 0) return r;
    rte_eth_dev_adjust_nb_rx_tx_desc(leg, &rx, &tx);
    if (int r = rte_eth_rx_queue_setup(leg, 0, rx, 0, nullptr, pool); r != 0) return r;
    if (int r = rte_eth_tx_queue_setup(leg, 0, tx, 0, nullptr); r != 0) return r;
    if (int r = rte_eth_dev_start(leg); r != 0) return r;
    rte_eth_promiscuous_enable(leg);
    if (!sw.datapath().attach_ethdev(index, leg)) return -EINVAL;
    ++index;
  }
  return 0;
}

int start(rte_eth_dev* dev) try {
  Port& port = port_of(dev);
  Switch& sw = *port.owner;
  port.mtu.store(dev->data->mtu);
  port.started.store(true);
  if (port.index == kUplinkPort) {
    if (int r = start_ethdev_legs(sw); r != 0) return r;
    if (!sw.datapath().start()) return -EAGAIN;
  }
  dev->data->dev_link.link_status = RTE_ETH_LINK_UP;
  return 0;
} catch (const std::exception&) {
  return -ENOMEM;
}

int stop(rte_eth_dev* dev) try {
  Port& port = port_of(dev);
  Switch& sw = *port.owner;
  dev->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
  port.started.store(false);
  if (port.index == kUplinkPort) {
    sw.datapath().stop();
    for (const std::string& name : sw.options().ethdev_legs) {
      std::uint16_t leg = 0;
      if (rte_eth_dev_get_port_by_name(name.c_str(), &leg) == 0) rte_eth_dev_stop(leg);
    }
  } else {
    sw.datapath().barrier();
  }
  // Nobody fills it any more; the mbufs' pool may go after this.
  void* object = nullptr;
  while (rte_ring_dequeue(port.up, &object) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(object));
  return 0;
} catch (const std::exception&) {
  return -ENOMEM;
}

int close(rte_eth_dev* dev) try {
  if (rte_eal_process_type() != RTE_PROC_PRIMARY) return 0;
  Port& port = port_of(dev);
  Switch* sw = port.owner;
  if (port.started.load()) stop(dev);
  dev->data->mac_addrs = nullptr;  // inside the Port, not librte_ethdev's to free
  dev->intr_handle = nullptr;
  if (port.index == kUplinkPort) sw->datapath().stop();
  sw->datapath().barrier();
  if (sw->close_port(port)) {
    rte_eth_switch_domain_free(sw->domain());
    delete sw;
  }
  return 0;
} catch (const std::exception&) {
  return -ENOMEM;
}

int infos(rte_eth_dev* dev, rte_eth_dev_info* info) {
  const Port& port = port_of(dev);
  info->max_mac_addrs = 1;
  info->max_rx_pktlen = kMaxMtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
  info->min_mtu = kMinMtu;
  info->max_mtu = kMaxMtu;
  info->max_rx_queues = kQueues;
  info->max_tx_queues = kQueues;
  info->min_rx_bufsize = 0;
  info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER;
  info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  // Accepted and without effect (all packets come by the first queue): applications that only know
  // NICs with RSS insist on it.
  info->flow_type_rss_offloads = RTE_ETH_RSS_PROTO_MASK;
  info->dev_capa = RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP;
  info->switch_info.name = port.owner->options().name.c_str();
  info->switch_info.domain_id = port.owner->domain();
  info->switch_info.port_id = port.index;
  return 0;
}

int rx_queue_setup(rte_eth_dev* dev, std::uint16_t queue, std::uint16_t descriptors, unsigned,
                   const rte_eth_rxconf*, rte_mempool* pool) {
  if (queue >= kQueues || pool == nullptr) return -EINVAL;
  Port& port = port_of(dev);
  dev->data->rx_queues[queue] = &port.queues[queue];
  if (queue == 0) {
    port.rx_descriptors.store(descriptors, std::memory_order_relaxed);
    port.pool.store(pool, std::memory_order_release);
  }
  return 0;
}

void rx_queue_release(rte_eth_dev* dev, std::uint16_t queue) try {
  if (queue != 0) return;
  Port& port = port_of(dev);
  port.pool.store(nullptr);
  port.owner->datapath().barrier();
} catch (const std::exception&) {
  // Only an allocation for the barrier's command can fail; the pool is taken away all the same.
}

int tx_queue_setup(rte_eth_dev* dev, std::uint16_t queue, std::uint16_t, unsigned,
                   const rte_eth_txconf*) {
  if (queue >= kQueues) return -EINVAL;
  dev->data->tx_queues[queue] = &port_of(dev).queues[queue];
  return 0;
}

int enable_interrupt(rte_eth_dev* dev, std::uint16_t queue) {
  Port& port = port_of(dev);
  if (queue != 0) return 0;
  // Whatever is in the eventfd is of the past; frames that are in the ring now count as new.
  eventfd_t ignored = 0;
  ::eventfd_read(port.interrupt_fd.get(), &ignored);
  port.armed.exchange(1, std::memory_order_acq_rel);
  if (rte_ring_empty(port.up) == 0) ::eventfd_write(port.interrupt_fd.get(), 1);
  return 0;
}

int disable_interrupt(rte_eth_dev* dev, std::uint16_t queue) {
  if (queue == 0) port_of(dev).armed.exchange(0, std::memory_order_acq_rel);
  return 0;
}

int link_update(rte_eth_dev*, int) { return 0; }
int accept_mode(rte_eth_dev*) { return 0; }

int set_mtu(rte_eth_dev* dev, std::uint16_t mtu) {
  port_of(dev).mtu.store(mtu);
  return 0;
}

int stats_get(rte_eth_dev* dev, rte_eth_stats* stats) {
  const Port& port = port_of(dev);
  stats->ipackets = port.slow_packets.load(std::memory_order_relaxed);
  stats->ibytes = port.slow_bytes.load(std::memory_order_relaxed);
  stats->imissed = port.slow_dropped.load(std::memory_order_relaxed);
  stats->opackets = port.tx_packets.load(std::memory_order_relaxed);
  stats->obytes = port.tx_bytes.load(std::memory_order_relaxed);
  return 0;
}

int representor_info(rte_eth_dev* dev, rte_eth_representor_info* info) {
  const SwitchOptions& options = port_of(dev).owner->options();
  const std::uint32_t ranges = (options.vfs.empty() ? 0U : 1U) + (options.host ? 1U : 0U);
  if (info == nullptr) return static_cast<int>(ranges);
  info->controller = 0;
  info->pf = 0;
  info->nb_ranges = 0;
  const auto add = [&](rte_eth_representor_type type, const char* name, std::uint32_t first,
                       std::uint32_t last) {
    if (info->nb_ranges >= info->nb_ranges_alloc) return;
    rte_eth_representor_range& r = info->ranges[info->nb_ranges++];
    r = {};
    r.type = type;
    r.vf = type == RTE_ETH_REPRESENTOR_VF ? static_cast<int>(first) : 0;
    r.id_base = first;
    r.id_end = last;
    std::snprintf(r.name, sizeof r.name, "%s", name);
  };
  if (!options.vfs.empty()) {
    add(RTE_ETH_REPRESENTOR_VF, "vf", options.vfs.front(), options.vfs.back());
  }
  if (options.host) add(RTE_ETH_REPRESENTOR_PF, "pf", kHostRepresentorId, kHostRepresentorId);
  return static_cast<int>(ranges);
}

int flow_ops_get(rte_eth_dev*, const rte_flow_ops** ops) {
  *ops = &flow_ops();
  return 0;
}

const eth_dev_ops& dev_ops() {
  static const eth_dev_ops ops = [] {
    eth_dev_ops o{};
    o.dev_configure = configure;
    o.dev_start = start;
    o.dev_stop = stop;
    o.dev_close = close;
    o.dev_infos_get = infos;
    o.rx_queue_setup = rx_queue_setup;
    o.rx_queue_release = rx_queue_release;
    o.rx_queue_intr_enable = enable_interrupt;
    o.rx_queue_intr_disable = disable_interrupt;
    o.tx_queue_setup = tx_queue_setup;
    o.link_update = link_update;
    o.mtu_set = set_mtu;
    o.stats_get = stats_get;
    o.promiscuous_enable = accept_mode;
    o.promiscuous_disable = accept_mode;
    o.allmulticast_enable = accept_mode;
    o.allmulticast_disable = accept_mode;
    o.flow_ops_get = flow_ops_get;
    o.representor_info_get = representor_info;
    return o;
  }();
  return ops;
}

}  // namespace

Port& port_of(const rte_eth_dev* dev) {
  return *static_cast<PortPrivate*>(dev->data->dev_private)->port;
}

int init_port(rte_eth_dev* dev, void* port_init) try {
  const auto& init = *static_cast<const PortInit*>(port_init);
  if (!init.owner->make_port(init.index, dev->data->port_id)) return -ENOMEM;
  Port* port = init.owner->port(init.index);
  static_cast<PortPrivate*>(dev->data->dev_private)->port = port;
  dev->dev_ops = &dev_ops();
  dev->rx_pkt_burst = rx_burst;
  dev->tx_pkt_burst = tx_burst;
  dev->intr_handle = port->interrupt;
  dev->data->mac_addrs = &port->mac;
  dev->data->dev_link = {RTE_ETH_SPEED_NUM_100G, RTE_ETH_LINK_FULL_DUPLEX, RTE_ETH_LINK_FIXED,
                         RTE_ETH_LINK_DOWN};
  // Rules are guarded by the pipeline's own mutex.
  dev->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS | RTE_ETH_DEV_FLOW_OPS_THREAD_SAFE;
  if (init.index != kUplinkPort) {
    dev->data->dev_flags |= RTE_ETH_DEV_REPRESENTOR;
    dev->data->representor_id = init.representor;
    dev->data->backer_port_id = init.backer;
  }
  return 0;
} catch (const std::exception&) {
  return -ENOMEM;
}

}  // namespace sluice::pmd
