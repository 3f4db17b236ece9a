// SPDX-License-Identifier: Apache-2.0
#include "offload/pmd/net_esw.h"

#include <ethdev_driver.h>

#include <cstring>
#include <exception>

#include "offload/pmd/ports.h"
#include "offload/pmd/switch.h"

namespace sluice::pmd {
namespace {

struct Found {
  Switch* owner;
  Port* port;
};

Result<Found> find(const std::string& device, std::uint16_t index) {
  const rte_eth_dev* dev = rte_eth_dev_allocated(device.c_str());
  if (dev == nullptr || dev->device == nullptr || dev->device->driver == nullptr ||
      std::strcmp(dev->device->driver->name, "net_esw") != 0) {
    return fail(Code::kNotFound, "device " + device + " is not a net_esw that is open");
  }
  Switch* owner = port_of(dev).owner;
  Port* port = owner->port(index);
  if (port == nullptr) {
    return fail(Code::kNotFound, "device " + device + " has no port " + std::to_string(index));
  }
  return Found{owner, port};
}

}  // namespace

Status attach_leg(const std::string& device, std::uint16_t port, std::unique_ptr<legs::Leg> leg) {
  if (leg == nullptr) return fail(Code::kInvalid, "leg: must not be null");
  SLUICE_TRY(const Found found, find(device, port));
  return found.owner->datapath().attach(port, std::move(leg));
}

Status detach_leg(const std::string& device, std::uint16_t port) {
  SLUICE_TRY(const Found found, find(device, port));
  found.owner->datapath().detach(port);
  return {};
}

Result<PortCounters> port_counters(const std::string& device, std::uint16_t port) {
  SLUICE_TRY(const Found found, find(device, port));
  return found.owner->datapath().counters(port);
}

}  // namespace sluice::pmd
