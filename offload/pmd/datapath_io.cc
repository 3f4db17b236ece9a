// SPDX-License-Identifier: Apache-2.0
// What the datapath does with packets.
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <sys/eventfd.h>

#include <utility>

#include "offload/eswitch/parser.h"
#include "offload/pmd/datapath.h"
#include "offload/pmd/mbufs.h"
#include "offload/pmd/port.h"

namespace sluice::pmd {
namespace {

using eswitch::Packet;
using eswitch::Verdict;

eswitch::Offload from_leg(const legs::Offload& o) {
  eswitch::Offload out;
  out.partial_checksum = o.partial_checksum;
  out.checksum_start = o.checksum_start;
  out.checksum_offset = o.checksum_offset;
  out.gso_size = o.gso_size;
  out.gso = o.gso == legs::Gso::kTcp4   ? eswitch::Gso::kTcp4
            : o.gso == legs::Gso::kUdp4 ? eswitch::Gso::kUdp4
                                        : eswitch::Gso::kNone;
  return out;
}

legs::Offload to_leg(const eswitch::Offload& o) {
  legs::Offload out;
  out.partial_checksum = o.partial_checksum;
  out.checksum_start = o.checksum_start;
  out.checksum_offset = o.checksum_offset;
  out.gso_size = o.gso_size;
  out.gso = o.gso == eswitch::Gso::kTcp4   ? legs::Gso::kTcp4
            : o.gso == eswitch::Gso::kUdp4 ? legs::Gso::kUdp4
                                           : legs::Gso::kNone;
  return out;
}

bool is_plain(const Packet& p) {
  return p.encap == nullptr && !p.offload.partial_checksum && p.offload.gso == eswitch::Gso::kNone;
}

void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// The mbuf that the packet lies in, with what became of its headers; it is the caller's now.
rte_mbuf* take_mbuf(Packet& p) {
  auto* m = static_cast<rte_mbuf*>(p.user);
  p.user = nullptr;
  // Only a decapsulation moves the start or changes the length, and it always does both.
  if (p.length == p.wire_length) [[likely]]
    return m;
  m->data_off = static_cast<std::uint16_t>(p.data - static_cast<std::uint8_t*>(m->buf_addr));
  m->data_len = static_cast<std::uint16_t>(p.length);
  m->pkt_len = p.length;
  return m;
}

}  // namespace

bool Datapath::poll() {
  bool worked = false;
  for (const std::uint16_t port : active_) {
    Slot& slot = slots_[port];
    worked |= slot.ethdev >= 0 ? poll_ethdev(port, slot) : poll_leg(port, slot);
  }
  for (Port* port : existing_) {
    if (rte_ring_empty(port->down) == 0) worked |= send_slow(*port, slots_[port->index]);
  }
  if (worked) flush_legs();
  return worked;
}

bool Datapath::poll_leg(std::uint16_t port, Slot& slot) {
  std::array<legs::Frame, eswitch::kBurst> frames;
  const std::size_t n = slot.leg->receive(frames);
  if (n == 0) {
    // Frames that the leg refused are lent as well.
    slot.leg->release();
    return false;
  }
  for (std::size_t i = 0; i < n; ++i) {
    Packet& p = packets_[i];
    p.data = frames[i].data;
    p.length = frames[i].length;
    p.headroom = frames[i].headroom;
    p.in_port = port;
    p.offload = from_leg(frames[i].offload);
    p.user = nullptr;
  }
  forward(packets_.data(), static_cast<unsigned>(n));
  slot.leg->release();
  return true;
}

bool Datapath::poll_ethdev(std::uint16_t port, Slot& slot) {
  std::array<rte_mbuf*, eswitch::kBurst> mbufs;
  const std::uint16_t n = rte_eth_rx_burst(static_cast<std::uint16_t>(slot.ethdev), 0, mbufs.data(),
                                           static_cast<std::uint16_t>(mbufs.size()));
  if (n == 0) return false;
  unsigned good = 0;
  std::uint64_t bytes = 0;
  for (std::uint16_t i = 0; i < n; ++i) rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void*));
  for (std::uint16_t i = 0; i < n; ++i) {
    rte_mbuf* m = mbufs[i];
    if (m->nb_segs != 1) [[unlikely]] {
      // Larger than an mbuf: this kind of leg is for small frames.
      ++slot.ethdev_stats.rx_dropped;
      rte_pktmbuf_free(m);
      continue;
    }
    Packet& p = packets_[good++];
    p.data = rte_pktmbuf_mtod(m, std::uint8_t*);
    p.length = m->data_len;
    p.headroom = rte_pktmbuf_headroom(m);
    p.in_port = port;
    p.offload = eswitch::Offload{};
    p.user = m;
    bytes += m->data_len;
  }
  slot.ethdev_stats.rx_bytes += bytes;
  slot.ethdev_stats.rx_packets += good;
  forward(packets_.data(), good);
  for (unsigned i = 0; i < good; ++i) {
    if (packets_[i].user != nullptr) rte_pktmbuf_free(static_cast<rte_mbuf*>(packets_[i].user));
  }
  return true;
}

void Datapath::forward(Packet* packets, unsigned n) {
  const eswitch::Pipeline::Burst burst(pipeline_);
  eswitch::parse(packets, n);
  pipeline_.run(packets, n);
  for (unsigned i = 0; i < n;) {
    const Packet& first = packets[i];
    if (first.verdict != Verdict::kOutput) {
      if (first.verdict == Verdict::kPunt) punt(packets[i]);
      ++i;
      continue;
    }
    // Neighbours mostly leave by the same port: what they share is looked up once.
    unsigned end = i + 1;
    while (end < n && packets[end].verdict == Verdict::kOutput &&
           packets[end].out_port == first.out_port) {
      ++end;
    }
    output(std::span(packets + i, end - i));
    i = end;
  }
  if (to_notify_ != 0) notify();
}

void Datapath::output(std::span<Packet> packets) {
  const std::uint16_t to = packets.front().out_port;
  Slot& slot = slots_[to];
  const Port* port = ports_[to].get();
  const std::uint32_t mtu = port == nullptr ? 1500 : port->mtu.load(std::memory_order_relaxed);
  if (slot.ethdev >= 0) {
    output_ethdev(packets, slot, mtu);
  } else if (slot.leg != nullptr) {
    output_leg(packets, slot, mtu);
  } else {
    slot.unattached_drops += packets.size();
  }
}

void Datapath::output_leg(std::span<Packet> packets, Slot& slot, std::uint32_t mtu) {
  legs::Leg& leg = *slot.leg;
  const bool offload = leg.accepts_offload();
  slot.dirty = true;
  for (Packet& p : packets) {
    if (is_plain(p) || (p.encap == nullptr && offload)) {
      leg.transmit(legs::Frame{p.data, p.length, p.headroom, to_leg(p.offload)});
      continue;
    }
    const std::uint32_t made = segmenter_.emit(p, mtu, [&leg](std::span<std::uint8_t> frame) {
      leg.transmit(legs::Frame{frame.data(), static_cast<std::uint32_t>(frame.size()), 0, {}});
    });
    if (made == 0) ++slot.unattached_drops;
  }
}

void Datapath::output_ethdev(std::span<Packet> packets, Slot& slot, std::uint32_t mtu) {
  slot.dirty = true;
  for (Packet& p : packets) {
    if (p.user != nullptr && is_plain(p)) [[likely]] {
      queue(slot, take_mbuf(p));
      continue;
    }
    rte_mempool* pool = ports_[p.out_port]->pool.load(std::memory_order_acquire);
    if (pool == nullptr) {
      ++slot.unattached_drops;
      continue;
    }
    segmenter_.emit(p, mtu, [&](std::span<std::uint8_t> frame) {
      rte_mbuf* m = copy_to_mbufs(pool, frame);
      if (m == nullptr) {
        ++slot.ethdev_stats.tx_dropped;
        return;
      }
      queue(slot, m);
    });
  }
}

void Datapath::queue(Slot& slot, rte_mbuf* m) {
  slot.pending[slot.pending_count++] = m;
  if (slot.pending_count == slot.pending.size()) flush_ethdev(slot);
}

void Datapath::flush_ethdev(Slot& slot) {
  const auto n = static_cast<std::uint16_t>(std::exchange(slot.pending_count, 0));
  const std::uint16_t sent =
      rte_eth_tx_burst(static_cast<std::uint16_t>(slot.ethdev), 0, slot.pending.data(), n);
  slot.ethdev_stats.tx_packets += sent;
  if (sent < n) {
    slot.ethdev_stats.tx_dropped += static_cast<unsigned>(n - sent);
    rte_pktmbuf_free_bulk(slot.pending.data() + sent, static_cast<unsigned>(n - sent));
  }
}

void Datapath::punt(Packet& p) {
  Port* port = p.out_port < ports_.size() ? ports_[p.out_port].get() : nullptr;
  if (port == nullptr) return;
  rte_mempool* pool = port->pool.load(std::memory_order_acquire);
  if (pool == nullptr || !port->started.load(std::memory_order_acquire)) {
    bump(port->slow_dropped);
    return;
  }
  const auto meta = static_cast<std::uint32_t>(p.key.word[2] >> eswitch::key::kMetaShift);
  if (p.user != nullptr && is_plain(p)) return deliver(*port, take_mbuf(p), meta);
  const std::uint32_t made = segmenter_.emit(p, port->mtu.load(std::memory_order_relaxed),
                                             [&](std::span<std::uint8_t> frame) {
                                               rte_mbuf* m = copy_to_mbufs(pool, frame);
                                               if (m == nullptr) return bump(port->slow_dropped);
                                               deliver(*port, m, meta);
                                             });
  if (made == 0) bump(port->slow_dropped);
}

void Datapath::deliver(Port& port, rte_mbuf* m, std::uint32_t meta) {
  m->port = port.port_id;
  if (rte_flow_dynf_metadata_avail() != 0) {
    rte_flow_dynf_metadata_set(m, meta);
    m->ol_flags |= RTE_MBUF_DYNFLAG_RX_METADATA;
  }
  const std::uint32_t length = m->pkt_len;
  // No more than the queue was made for: one port's punts must not hold all buffers of the pool.
  const bool full = rte_ring_count(port.up) >= port.rx_descriptors.load(std::memory_order_relaxed);
  if (full || rte_ring_enqueue(port.up, m) != 0) {
    rte_pktmbuf_free(m);
    return bump(port.slow_dropped);
  }
  bump(port.slow_packets);
  bump(port.slow_bytes, length);
  to_notify_ |= std::uint64_t{1} << port.index;
}

void Datapath::notify() {
  for (Port* port : existing_) {
    if ((to_notify_ >> port->index & 1U) == 0) continue;
    // A read-modify-write, as in the arming: either it sees our frames, or we see that it is armed.
    if (port->armed.fetch_add(0, std::memory_order_acq_rel) != 0) {
      ::eventfd_write(port->interrupt_fd.get(), 1);
    }
  }
  to_notify_ = 0;
}

bool Datapath::send_slow(Port& port, Slot& slot) {
  std::array<void*, eswitch::kBurst> objects;
  const unsigned n = rte_ring_dequeue_burst(port.down, objects.data(),
                                            static_cast<unsigned>(objects.size()), nullptr);
  for (unsigned i = 0; i < n; ++i) {
    auto* m = static_cast<rte_mbuf*>(objects[i]);
    if (slot.ethdev >= 0) {
      queue(slot, m);
      slot.dirty = true;
      continue;
    }
    const std::span<std::uint8_t> frame = one_piece(m, linear_);
    if (slot.leg != nullptr && !frame.empty()) {
      slot.leg->transmit(
          legs::Frame{frame.data(), static_cast<std::uint32_t>(frame.size()), 0, {}});
      slot.dirty = true;
    } else {
      ++slot.unattached_drops;
    }
    rte_pktmbuf_free(m);
  }
  return n != 0;
}

void Datapath::flush_legs() {
  for (const std::uint16_t port : active_) {
    Slot& slot = slots_[port];
    if (!slot.dirty) continue;
    slot.dirty = false;
    if (slot.ethdev >= 0) {
      flush_ethdev(slot);
    } else {
      slot.leg->flush();
    }
  }
}

}  // namespace sluice::pmd
