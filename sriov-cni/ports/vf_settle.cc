// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/vf_settle.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <memory>
#include <vector>

#include "common/netlink/rtnetlink.h"
#include "common/nic/drivers.h"
#include "common/os/directory_watch.h"

namespace sluice::cni {
namespace {

using Watches = std::vector<std::unique_ptr<os::DirectoryWatch>>;

bool has_link(const nic::Netdev& netdev) {
  auto here = netlink::Rtnl::open();
  if (!here) return false;
  const auto link = here->link(netdev.name);
  return link && (netdev.if_index == 0 || netdev.if_index == link->index.value);
}

// The kernel's own tree tells every link as it is.
bool is_kernels(const std::string& sysfs_root) {
  struct statfs info {};
  return ::statfs(sysfs_root.c_str(), &info) == 0 && info.f_type == SYSFS_MAGIC;
}

// What has no driver, or one without netdevs, waits for somebody's hand.
bool is_settled(const Nics::VfNow& now) {
  if (now.vf.driver.empty() || nic::makes_no_netdev(now.vf.driver)) return true;
  return now.vf.netdev && has_link(*now.vf.netdev);
}

// The places that change when a netdev comes; those that aren't there come by their parents.
Watches watch_netdev(os::EventLoop& loop, const std::string& device, const Nics::VfNow& before) {
  std::vector<std::string> places = {device, device + "/net"};
  if (before.vf.netdev) places.push_back(places.back() + "/" + before.vf.netdev->name);
  Watches out;
  for (const auto& place : places) {
    auto watch = os::DirectoryWatch::open(loop, place, [&loop] { loop.stop(); });
    if (watch) out.push_back(std::move(*watch));
  }
  return out;
}

}  // namespace

Result<Nics::VfNow> settled_vf(Nics& nics, const std::string& sysfs_root,
                               const nic::PciAddress& address, Duration patience) {
  const auto device = sysfs_root + "/bus/pci/devices/" + address.to_string();
  const SteadyClock clock;
  const auto end = clock.now() + patience;
  auto now = nics.vf(sysfs_root, address);
  if (is_kernels(sysfs_root)) return now;
  while (now && !is_settled(*now) && clock.now() < end) {
    SLUICE_TRY(const auto loop, os::EventLoop::create());
    const auto watches = watch_netdev(*loop, device, *now);
    // Again, as it may have come before the watches did.
    now = nics.vf(sysfs_root, address);
    if (!now || is_settled(*now)) break;
    loop->after(end - clock.now(), [&loop] { loop->stop(); });
    loop->run();
    now = nics.vf(sysfs_root, address);
  }
  return now;
}

}  // namespace sluice::cni
