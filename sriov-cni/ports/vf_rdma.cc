// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/vf_rdma.h"

#include <unistd.h>

#include <algorithm>

namespace sluice::cni {
namespace {

using netlink::IfIndex;
using netlink::Rdma;
using netlink::RdmaLink;

bool is_on(const RdmaLink& device, IfIndex netdev) {
  return netdev.value != 0 &&
         std::any_of(device.ports.begin(), device.ports.end(),
                     [&](const netlink::RdmaPort& port) { return port.netdev == netdev; });
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Asking a kernel without it would start modprobe each time.
bool kernel_has_rdma(const os::Root& sysfs) {
  return sysfs.exists("class/infiniband") || ::access("/sys/class/infiniband", F_OK) == 0;
}

}  // namespace

Result<VfRdma> rdma_of(const os::Root& sysfs, const std::string& pci, IfIndex netdev) {
  VfRdma out;
  if (!kernel_has_rdma(sysfs)) return out;
  SLUICE_TRY(auto rdma, Rdma::open());
  SLUICE_TRY(out.mode, rdma.mode());
  SLUICE_TRY(const auto all, rdma.devices());
  const auto own = sysfs.list("bus/pci/devices/" + pci + "/infiniband");
  for (const auto& device : all) {
    const bool is_its = own && !own->empty() ? contains(*own, device.name) : is_on(device, netdev);
    if (is_its) out.devices.push_back(device);
  }
  return out;
}

Status move_rdma(const std::vector<RdmaLink>& devices, const os::NetNs& pod) {
  if (devices.empty()) return {};
  SLUICE_TRY(auto rdma, Rdma::open());
  for (const auto& device : devices) {
    auto moved = rdma.move(device.index, pod);
    if (!moved) {
      return fail(
          std::move(moved).error().with("moving RDMA device " + device.name + " into the pod"));
    }
  }
  return {};
}

Status bring_rdma_home(const std::vector<std::string>& names, IfIndex netdev,
                       const os::NetNs& pod) {
  if (names.empty()) return {};
  SLUICE_TRY(auto there, Rdma::open_in(pod));
  SLUICE_TRY(const auto mode, there.mode());
  if (mode == netlink::RdmaMode::kShared) return {};  // it never left
  SLUICE_TRY(const auto all, there.devices());
  SLUICE_TRY(const auto here, os::NetNs::current());
  Status first;
  for (const auto& device : all) {
    if (!contains(names, device.name) && !is_on(device, netdev)) continue;
    auto moved = there.move(device.index, here);
    if (!moved && moved.error().code != Code::kNotFound && first) {
      first = fail(std::move(moved).error().with("bringing RDMA device " + device.name + " back"));
    }
  }
  return first;
}

Result<std::vector<std::string>> missing_rdma(const std::vector<std::string>& names,
                                              const os::NetNs& pod) {
  std::vector<std::string> out;
  if (names.empty()) return out;
  SLUICE_TRY(auto there, Rdma::open_in(pod));
  SLUICE_TRY(const auto all, there.devices());
  for (const auto& name : names) {
    const bool there_is = std::any_of(all.begin(), all.end(),
                                      [&](const RdmaLink& device) { return device.name == name; });
    if (!there_is) out.push_back(name);
  }
  return out;
}

}  // namespace sluice::cni
