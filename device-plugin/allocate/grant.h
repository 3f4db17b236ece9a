// SPDX-License-Identifier: Apache-2.0
// What a container gets with its devices: environment, device nodes, mounts, CDI names. Pure.
//
// Source of names and JSON: sriov-network-device-plugin's Allocate answer, so that software which
// reads PCIDEVICE_* keeps working; kernel: Documentation/driver-api/vfio.rst for the nodes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "device-plugin/config/config.h"
#include "device-plugin/pools/candidate.h"

namespace sluice::allocate {

struct DeviceNode {
  std::string container_path, host_path;
  std::string permissions = "rw";
  bool operator==(const DeviceNode&) const = default;
};

struct Mount {
  std::string container_path, host_path;
  bool read_only = true;
  bool operator==(const Mount&) const = default;
};

// By provider ("generic", "vfio", "rdma", ...), then key.
using Info = std::map<std::string, std::map<std::string, std::string>>;

// How one device is used from inside a container.
struct Access {
  std::string id;
  Info info;
  std::vector<DeviceNode> nodes;
  bool operator==(const Access&) const = default;
};

// What the host has beside the device itself.
struct HostFacts {
  bool vhost_net = false;  // /dev/vhost-net
  bool rdma_cm = false;    // /dev/infiniband/rdma_cm
  bool iommufd = false;    // /dev/iommu
};

// `selector`: the pool's that took the device: its isRdma and needVhostNet decide what is given.
// Errors: Code::kPrecondition when a device of this kind can't be used now (vfio-pci without an
// IOMMU group, a vDPA device that is gone), with the reason.
Result<Access> access_of(const pools::Candidate& candidate, const config::Selector& selector,
                         const config::PoolConfig& pool, const HostFacts& host);

struct Grant {
  std::map<std::string, std::string> envs;
  std::vector<DeviceNode> nodes;
  std::vector<Mount> mounts;
  std::vector<std::string> cdi_devices;  // "sluice.dev/vf=0000:3b:00.2"
  bool operator==(const Grant&) const = default;
};

// "SLUICE_VF_<POOL>": upper case, everything but A-Z and 0-9 becomes '_', so that every shell can
// read it.
std::string pool_variable(std::string_view pool);

// In the order of the request. PCIDEVICE_<RESOURCE> and its _INFO as the peer names them; the same
// in letters that a shell can read where the resource has a '-'; pool_variable(). With `cdi_kind`,
// nodes are left to the CDI devices of that kind; without, they are in the answer, each host path
// once.
Grant grant(const config::PoolConfig& pool, const std::vector<Access>& devices,
            const std::optional<std::string>& cdi_kind);

}  // namespace sluice::allocate
