// SPDX-License-Identifier: Apache-2.0
#include "offload/pmd/switch.h"

#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <rte_random.h>
#include <rte_ring.h>
#include <sys/eventfd.h>

#include <algorithm>

namespace sluice::pmd {
namespace {

void drain(rte_ring* ring) {
  void* object = nullptr;
  while (ring != nullptr && rte_ring_dequeue(ring, &object) == 0) {
    rte_pktmbuf_free(static_cast<rte_mbuf*>(object));
  }
  rte_ring_free(ring);
}

rte_ring* make_ring(const std::string& device, const char* kind, std::uint16_t index,
                    unsigned flags) {
  const std::string name = device + kind + std::to_string(index);
  return rte_ring_create(name.c_str(), kRingSize, SOCKET_ID_ANY, flags);
}

// One eventfd, for the first queue: nothing comes by the others.
bool make_interrupt(Port& port) {
  port.interrupt_fd.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  port.interrupt = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
  if (!port.interrupt_fd || port.interrupt == nullptr) return false;
  rte_intr_handle* h = port.interrupt;
  return rte_intr_vec_list_alloc(h, "net_esw", 1) == 0 &&
         rte_intr_vec_list_index_set(h, 0, RTE_INTR_VEC_RXTX_OFFSET) == 0 &&
         rte_intr_efds_index_set(h, 0, port.interrupt_fd.get()) == 0 &&
         rte_intr_nb_efd_set(h, 1) == 0 && rte_intr_max_intr_set(h, 2) == 0 &&
         rte_intr_efd_counter_size_set(h, sizeof(std::uint64_t)) == 0 &&
         rte_intr_type_set(h, RTE_INTR_HANDLE_VDEV) == 0;
}

}  // namespace

Port::~Port() {
  drain(up);
  drain(down);
  if (interrupt != nullptr) {
    rte_intr_vec_list_free(interrupt);
    rte_intr_instance_free(interrupt);
  }
}

Switch::Switch(SwitchOptions options)
    : options_(std::move(options)),
      pipeline_(eswitch::Pipeline::Options{options_.rules, rte_rand()}),
      by_port_id_(RTE_MAX_ETHPORTS, kNoPort),
      datapath_(pipeline_, ports_) {}

Switch::~Switch() { datapath_.stop(); }

bool Switch::make_port(std::uint16_t index, std::uint16_t port_id) {
  auto port = std::make_unique<Port>();
  port->owner = this;
  port->index = index;
  port->port_id = port_id;
  // Locally administered; it tells the ports apart and is on no wire.
  port->mac = {{0x02, 0xe5, static_cast<std::uint8_t>(domain_ >> 8U),
                static_cast<std::uint8_t>(domain_), 0, static_cast<std::uint8_t>(index)}};
  for (Port::Queue& queue : port->queues) queue = {port.get(), &queue == port->queues.data()};
  port->up = make_ring(options_.name, "_up", index, RING_F_SP_ENQ | RING_F_SC_DEQ);
  port->down = make_ring(options_.name, "_dn", index, RING_F_SC_DEQ);
  if (port->up == nullptr || port->down == nullptr || !make_interrupt(*port)) return false;
  by_port_id_[port_id] = index;
  ports_[index] = std::move(port);
  ++open_ports_;
  return true;
}

std::uint16_t Switch::index_of(std::uint16_t port_id) const {
  return port_id < by_port_id_.size() ? by_port_id_[port_id] : kNoPort;
}

bool Switch::close_port(Port& port) {
  by_port_id_[port.port_id] = kNoPort;
  return --open_ports_ == 0;
}

}  // namespace sluice::pmd
