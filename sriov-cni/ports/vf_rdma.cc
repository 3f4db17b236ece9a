// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/vf_rdma.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>

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

bool is_named(const std::vector<RdmaLink>& devices, const std::string& name) {
  return std::any_of(devices.begin(), devices.end(),
                     [&](const RdmaLink& device) { return device.name == name; });
}

Status give_names_back(Rdma& there, const std::vector<RenamedRdma>& renamed) {
  for (const auto& [device, name] : renamed) {
    auto given = there.rename(device.index, name);
    if (given) continue;
    const auto code = given.error().code;
    if (code == Code::kExists || code == Code::kNotFound) continue;
    return fail(
        std::move(given).error().with("giving RDMA device " + device.name + " its name back"));
  }
  return {};
}

std::vector<RdmaLink> those_on(IfIndex netdev, const std::vector<RdmaLink>& all) {
  std::vector<RdmaLink> out;
  std::copy_if(all.begin(), all.end(), std::back_inserter(out),
               [&](const RdmaLink& device) { return is_on(device, netdev); });
  return out;
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

std::vector<RenamedRdma> renamed_rdma(const std::vector<std::string>& names,
                                      const std::vector<RdmaLink>& own,
                                      const std::vector<RdmaLink>& all) {
  std::vector<RenamedRdma> out;
  std::vector<std::string> lost;
  for (const auto& name : names) {
    if (!is_named(all, name)) lost.push_back(name);
  }
  for (const auto& device : own) {
    if (!contains(names, device.name)) out.push_back({device, ""});
  }
  if (out.size() != lost.size()) return {};
  for (std::size_t i = 0; i < out.size(); ++i) out[i].name = lost[i];
  return out;
}

Status bring_rdma_home(const std::vector<std::string>& names, IfIndex netdev,
                       const os::NetNs& pod) {
  if (names.empty()) return {};
  SLUICE_TRY(auto there, Rdma::open_in(pod));
  SLUICE_TRY(const auto mode, there.mode());
  if (mode == netlink::RdmaMode::kShared) return {};  // it never left
  SLUICE_TRY(const auto all, there.devices());
  // Before they move: an undoing that is killed in between finds them by their names again.
  SLUICE_CHECK_OK(give_names_back(there, renamed_rdma(names, those_on(netdev, all), all)));
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

Status name_rdma_at_home(const os::Root& sysfs, const std::string& pci, IfIndex netdev,
                         const std::vector<std::string>& names) {
  if (names.empty()) return {};
  SLUICE_TRY(const auto own, rdma_of(sysfs, pci, netdev));
  if (own.devices.empty()) return {};
  SLUICE_TRY(auto here, Rdma::open());
  return give_names_back(here, renamed_rdma(names, own.devices, own.devices));
}

Result<std::vector<std::string>> missing_rdma(const std::vector<std::string>& names, IfIndex netdev,
                                              const os::NetNs& pod) {
  std::vector<std::string> out;
  if (names.empty()) return out;
  SLUICE_TRY(auto there, Rdma::open_in(pod));
  SLUICE_TRY(const auto all, there.devices());
  const auto renamed = renamed_rdma(names, those_on(netdev, all), all);
  for (const auto& name : names) {
    const bool other_name = std::any_of(renamed.begin(), renamed.end(),
                                        [&](const RenamedRdma& one) { return one.name == name; });
    if (!other_name && !is_named(all, name)) out.push_back(name);
  }
  return out;
}

}  // namespace sluice::cni
