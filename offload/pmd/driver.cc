// SPDX-License-Identifier: Apache-2.0
// net_esw as EAL sees it: probe, remove, and the registration.
#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_log.h>

#include <exception>
#include <memory>
#include <string>

#include "offload/pmd/devargs.h"
#include "offload/pmd/net_esw.h"
#include "offload/pmd/ports.h"
#include "offload/pmd/switch.h"

namespace sluice::pmd {
namespace {

void log_error(const std::string& device, const std::string& what) {
  RTE_LOG(ERR, PMD, "%s: %s\n", device.c_str(), what.c_str());
}

struct Wanted {
  std::string suffix;
  std::uint16_t index, representor;
};

int create_ports(rte_vdev_device* vdev, Switch& sw) {
  std::vector<Wanted> wanted{{"", kUplinkPort, 0}};
  if (sw.options().host) wanted.push_back({"_host", kHostPort, kHostRepresentorId});
  for (const std::uint16_t vf : sw.options().vfs) {
    wanted.push_back({"_representor_vf" + std::to_string(vf),
                      static_cast<std::uint16_t>(kFirstVfPort + vf), vf});
  }
  for (const Wanted& w : wanted) {
    const Port* uplink = sw.port(kUplinkPort);
    PortInit init{&sw, w.index, w.representor,
                  uplink == nullptr ? std::uint16_t{0} : uplink->port_id};
    const std::string name = sw.options().name + w.suffix;
    if (const int r = rte_eth_dev_create(&vdev->device, name.c_str(), sizeof(PortPrivate), nullptr,
                                         nullptr, init_port, &init);
        r != 0) {
      log_error(sw.options().name, "can't make the port " + name + " (this DPDK has room for " +
                                       std::to_string(RTE_MAX_ETHPORTS) + " ports in all)");
      return r;
    }
  }
  return 0;
}

int own_legs(const Switch& sw) {
  rte_eth_dev_owner owner{};
  if (sw.options().ethdev_legs.empty()) return 0;
  if (const int r = rte_eth_dev_owner_new(&owner.id); r != 0) return r;
  std::snprintf(owner.name, sizeof owner.name, "%s", sw.options().name.c_str());
  for (const std::string& leg : sw.options().ethdev_legs) {
    std::uint16_t port = 0;
    if (rte_eth_dev_get_port_by_name(leg.c_str(), &port) != 0) {
      log_error(sw.options().name, "leg=" + leg + ": no such ethdev (its --vdev comes first)");
      return -ENODEV;
    }
    if (const int r = rte_eth_dev_owner_set(port, &owner); r != 0) {
      log_error(sw.options().name, "leg=" + leg + ": belongs to somebody else");
      return r;
    }
  }
  return 0;
}

// Stops and closes all ports of the device; with the last one its Switch goes.
int close_all(const rte_device* device) {
  std::uint16_t port = 0;
  int result = 0;
  RTE_ETH_FOREACH_DEV_OF(port, device) {
    if (rte_eth_devices[port].data->dev_started != 0) rte_eth_dev_stop(port);
    if (const int r = rte_eth_dev_close(port); r != 0) result = r;
  }
  return result;
}

int probe(rte_vdev_device* vdev) try {
  const char* args = rte_vdev_device_args(vdev);
  const std::string name = rte_vdev_device_name(vdev);
  if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
    log_error(name, "secondary processes are not supported");
    return -ENOTSUP;
  }
  auto options = parse_devargs(name, args == nullptr ? "" : args);
  if (!options) {
    log_error(name, options.error().to_string());
    return -EINVAL;
  }
  auto sw = std::make_unique<Switch>(std::move(*options));
  std::uint16_t domain = 0;
  if (const int r = rte_eth_switch_domain_alloc(&domain); r != 0) return r;
  sw->set_domain(domain);
  int r = own_legs(*sw);
  if (r == 0) r = create_ports(vdev, *sw);
  if (r == 0) {
    sw.release();  // the ports' now: the last to be closed deletes it
    return 0;
  }
  if (sw->port(kUplinkPort) != nullptr) {
    sw.release();
    close_all(&vdev->device);
  } else {
    rte_eth_switch_domain_free(domain);
  }
  return r;
} catch (const std::exception&) {
  return -ENOMEM;
}

int remove(rte_vdev_device* vdev) { return close_all(&vdev->device); }

rte_vdev_driver& driver() {
  static rte_vdev_driver d = [] {
    rte_vdev_driver v{};
    v.probe = probe;
    v.remove = remove;
    return v;
  }();
  return d;
}

}  // namespace

void link_driver() {}

}  // namespace sluice::pmd

// EAL learns of a driver before main() runs, by a constructor in the object that has it. This is
// what RTE_PMD_REGISTER_VDEV expands to, with our own object.
RTE_INIT(sluice_net_esw_register) {
  rte_vdev_driver& d = sluice::pmd::driver();
  d.driver.name = "net_esw";
  rte_vdev_register(&d);
}
RTE_PMD_EXPORT_NAME(net_esw, __COUNTER__);
RTE_PMD_REGISTER_PARAM_STRING(net_esw, "representor=[vf]<list> host=<0|1> rules=<n> leg=<ethdev>");
