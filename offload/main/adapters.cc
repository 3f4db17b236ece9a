// SPDX-License-Identifier: Apache-2.0
#include "offload/main/adapters.h"

#include "common/nic/inventory.h"
#include "offload/pmd/net_esw.h"

namespace sluice::offloadd {

Status PmdLegSink::attach(std::uint16_t switch_port, std::unique_ptr<legs::Leg> leg) {
  return pmd::attach_leg(device_, switch_port, std::move(leg));
}

Status PmdLegSink::detach(std::uint16_t switch_port) {
  return pmd::detach_leg(device_, switch_port);
}

Result<model::PortId> SoftDevices::port_of(const std::string& pci_address) const {
  SLUICE_TRY(const auto wanted, nic::PciAddress::parse(pci_address));
  std::string known;
  for (const auto& vf : nic_.vfs()) {
    if (vf.address == wanted) return model::PortId::vf(vf.index);
    known += (known.empty() ? "" : ", ") + vf.address.to_string();
  }
  return fail(Code::kNotFound,
              "pci_address '" + pci_address + "' is no VF of this NIC; it has " + known);
}

engine::PortView SoftDevices::view(model::PortId port, std::uint16_t switch_port) const {
  engine::PortView view;
  view.port = port;
  const auto counters = pmd::port_counters(device_, switch_port);
  if (!counters) {
    view.state = "gone";
    view.note = counters.error().to_string();
    return view;
  }
  view.state = !counters->attached ? "down" : counters->alive ? "up" : "gone";
  view.rx_packets = counters->leg.rx_packets;
  view.rx_bytes = counters->leg.rx_bytes;
  view.rx_dropped = counters->leg.rx_dropped;
  view.tx_packets = counters->leg.tx_packets;
  view.tx_bytes = counters->leg.tx_bytes;
  view.tx_dropped = counters->leg.tx_dropped;
  view.slow_packets = counters->slow_packets;
  return view;
}

std::vector<engine::PortView> SoftDevices::ports() const {
  std::vector<engine::PortView> views;
  views.push_back(view(model::PortId::uplink(), softnic::kUplinkPort));
  views.back().device = uplink_;
  views.back().note = "the wire; shared with the kernel";
  views.push_back(view(model::PortId::host(), softnic::kHostPort));
  views.back().device = bridge_;
  views.back().note = "the node and its veth pods";
  for (const auto& vf : nic_.vfs()) {
    views.push_back(view(model::PortId::vf(vf.index),
                         static_cast<std::uint16_t>(softnic::kFirstVfPort + vf.index)));
    views.back().device = vf.address.to_string();
    views.back().note = vf.place == softnic::VfPlace::kHere
                            ? "netdev " + vf.netdev + " is on the node"
                            : std::string(to_string(vf.place));
  }
  return views;
}

}  // namespace sluice::offloadd
