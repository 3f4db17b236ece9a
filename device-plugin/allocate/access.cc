// SPDX-License-Identifier: Apache-2.0
// How one device is used from inside a container.
#include <utility>

#include "device-plugin/allocate/grant.h"

namespace sluice::allocate {
namespace {

constexpr const char* kVfioContainer = "/dev/vfio/vfio";
constexpr const char* kIommufd = "/dev/iommu";
constexpr const char* kRdmaCm = "/dev/infiniband/rdma_cm";
constexpr const char* kVhostNet = "/dev/vhost-net";
constexpr const char* kTun = "/dev/net/tun";

void add_node(Access& access, const std::string& path) {
  access.nodes.push_back({path, path, "rw"});
}

bool is_uio(const std::string& driver) {
  return driver == "uio" || driver == "igb_uio" || driver == "uio_pci_generic";
}

// vfio.rst: a group is opened beside the container device; without an IOMMU its file is called
// noiommu-<group> on the host, and programs look for it under the group's number.
Status add_vfio(const nic::Function& function, const HostFacts& host, Access& access) {
  if (function.iommu_group.empty()) {
    return fail(
        Code::kPrecondition,
        access.id + " is bound to vfio-pci but has no IOMMU group: no container can open it");
  }
  add_node(access, kVfioContainer);
  const std::string inside = "/dev/vfio/" + function.iommu_group;
  const std::string outside =
      function.iommu_noiommu ? "/dev/vfio/noiommu-" + function.iommu_group : inside;
  access.nodes.push_back({inside, outside, "rw"});
  access.info["vfio"] = {{"mount", kVfioContainer}, {"dev-mount", inside}};
  // The newer way to the same device. Both are needed for it: the IOMMU file is no use alone.
  if (host.iommufd && !function.vfio_device.empty()) {
    const std::string device = "/dev/vfio/devices/" + function.vfio_device;
    add_node(access, device);
    add_node(access, kIommufd);
    access.info["vfio"]["cdev-mount"] = device;
    access.info["vfio"]["iommufd-mount"] = kIommufd;
  }
  return {};
}

Status add_uio(const nic::Function& function, Access& access) {
  if (function.uio_device.empty()) {
    return fail(Code::kPrecondition, access.id + " is bound to " + function.driver +
                                         " but has no uio device: no container can open it");
  }
  const std::string path = "/dev/" + function.uio_device;
  add_node(access, path);
  access.info["uio"] = {{"mount", path}};
  return {};
}

Status add_rdma(const std::vector<nic::RdmaDevice>& devices, const HostFacts& host,
                Access& access) {
  if (devices.empty()) {
    return fail(Code::kPrecondition,
                access.id + " is asked for with RDMA (isRdma) but has no RDMA device now");
  }
  auto& info = access.info["rdma"];
  for (const auto& device : devices) {
    for (const auto& [key, path] : {std::pair<const char*, const std::string&>{"", device.ucm},
                                    {"issm", device.issm},
                                    {"umad", device.umad},
                                    {"uverbs", device.uverbs}}) {
      if (path.empty()) continue;
      add_node(access, path);
      // Of several RDMA devices the first is told, with its own name.
      if (*key != '\0') info.emplace(key, path);
    }
    info.emplace("rdma_dev", device.name);
  }
  if (host.rdma_cm) {
    add_node(access, kRdmaCm);
    info["rdma_cm"] = kRdmaCm;
  }
  return {};
}

Status add_vdpa(const nic::Function& function, const std::string& type, Access& access) {
  const std::string driver = type + "_vdpa";
  auto& info = access.info["vdpa"];
  for (const auto& device : function.vdpa) {
    if (device.driver != driver) continue;
    if (type != "vhost") return {};  // the container gets a netdev, not a character device
    if (device.char_device.empty()) continue;
    add_node(access, device.char_device);
    info["mount"] = device.char_device;
    return {};
  }
  return fail(Code::kPrecondition, access.id + " is asked for as vDPA (vdpaType '" + type +
                                       "') but has no vDPA device on driver " + driver + " now");
}

}  // namespace

Result<Access> access_of(const pools::Candidate& candidate, const config::Selector& selector,
                         const config::PoolConfig& pool, const HostFacts& host) {
  Access access;
  access.id = candidate.id;
  access.info["generic"] = {{"deviceID", candidate.id}};
  // A subfunction's function is its PF: that one's vfio, uio and vDPA devices aren't the SF's.
  if (candidate.sf == nullptr) {
    if (candidate.driver() == "vfio-pci") {
      SLUICE_CHECK_OK(add_vfio(*candidate.function, host, access));
    } else if (is_uio(candidate.driver())) {
      SLUICE_CHECK_OK(add_uio(*candidate.function, access));
    }
    if (!selector.vdpa_type.empty()) {
      SLUICE_CHECK_OK(add_vdpa(*candidate.function, selector.vdpa_type, access));
    }
  }
  if (selector.is_rdma) SLUICE_CHECK_OK(add_rdma(candidate.rdma(), host, access));
  if (selector.need_vhost_net && host.vhost_net) {
    add_node(access, kVhostNet);
    add_node(access, kTun);
    access.info["vhost"] = {{"net-mount", kVhostNet}, {"tun-mount", kTun}};
  }
  if (!pool.additional_info.empty()) {
    auto& extra = access.info["extra"];
    // The peer knows a subfunction by its PF's address here.
    const auto function = candidate.sf ? candidate.function->address.to_string() : candidate.id;
    for (const auto& key : {std::string("*"), function, candidate.id}) {
      const auto found = pool.additional_info.find(key);
      if (found == pool.additional_info.end()) continue;
      for (const auto& [name, value] : found->second) extra[name] = value;
    }
  }
  return access;
}

}  // namespace sluice::allocate
