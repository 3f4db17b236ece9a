// SPDX-License-Identifier: Apache-2.0
// The engine's seams over the real parts: the software NIC's legs, the kernel, librte_ethdev.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "offload/backends/rteflow/device.h"
#include "offload/backends/rteflow/eal.h"
#include "offload/engine/seams.h"
#include "offload/host/host_network.h"
#include "offload/host/next_hops.h"
#include "offload/softnic/softnic.h"

namespace sluice::offloadd {

// The simulated NIC's legs go to net_esw.
class PmdLegSink final : public softnic::LegSink {
 public:
  explicit PmdLegSink(std::string device) : device_(std::move(device)) {}
  Status attach(std::uint16_t switch_port, std::unique_ptr<legs::Leg> leg) override;
  Status detach(std::uint16_t switch_port) override;

 private:
  std::string device_;
};

class KernelNetwork final : public engine::NodeNetwork {
 public:
  explicit KernelNetwork(host::HostNetwork& host) : host_(host) {}
  Status update(const model::Intent& intent) override { return host_.update(intent); }
  Status recheck() override { return host_.recheck(); }
  Status add_pod_port(const std::string& veth, const MacAddr& mac) override {
    return host_.add_pod_port(veth, mac);
  }
  Status remove_pod_port(const std::string& veth, const MacAddr& mac) override {
    return host_.remove_pod_port(veth, mac);
  }

 private:
  host::HostNetwork& host_;
};

class KernelNextHops final : public engine::NextHopSource {
 public:
  explicit KernelNextHops(host::NextHops& hops) : hops_(hops) {}
  void want(Ipv4 destination) override { hops_.want(destination); }
  void keep(const std::vector<Ipv4>& destinations) override { hops_.keep(destinations); }
  std::vector<model::NextHop> next_hops() const override { return hops_.next_hops(); }
  std::vector<model::OuterRoute> routes() const override { return hops_.routes(); }

 private:
  host::NextHops& hops_;
};

class SoftDevices final : public engine::DeviceDirectory {
 public:
  SoftDevices(const softnic::SoftNic& nic, std::string device, std::string uplink,
              std::string bridge)
      : nic_(nic),
        device_(std::move(device)),
        uplink_(std::move(uplink)),
        bridge_(std::move(bridge)) {}
  Result<model::PortId> port_of(const std::string& pci_address) const override;
  std::vector<engine::PortView> ports() const override;

 private:
  engine::PortView view(model::PortId port, std::uint16_t switch_port) const;

  const softnic::SoftNic& nic_;
  std::string device_, uplink_, bridge_;
};

class DevicePackets final : public engine::PacketIo {
 public:
  explicit DevicePackets(rteflow::Device& device) : device_(device) {}
  // A frame that the NIC can't take now is lost, as on a wire.
  void send(model::PortId port, std::span<const std::uint8_t> frame) override {
    (void)device_.send(port, frame);
  }
  std::vector<int> wait_fds() const override { return device_.rx_fds(); }
  std::size_t receive(const Handler& handler) override { return device_.receive(handler); }
  Status enter_thread() override { return registration_.enter(); }
  void leave_thread() override { registration_.leave(); }

 private:
  rteflow::Device& device_;
  rteflow::ThreadRegistration registration_;
};

}  // namespace sluice::offloadd
