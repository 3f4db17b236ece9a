// SPDX-License-Identifier: Apache-2.0
// What the device plugin is told: pools, and how each treats its devices.
//
// Two forms are read into this one: ours (top-level key "pools") and that of
// sriov-network-device-plugin ("resourceList"), as it is.
// Contract: a key unknown inside a selector refuses its pool (a misspelled selector must never
// select everything), elsewhere it warns; in our own form it is an error. Values are normalised
// here: 0x, case, short PCI addresses. A refused pool leaves the others alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/nic/inventory.h"

namespace sluice::config {

inline constexpr std::size_t kMaxPools = 64;
inline constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20U;

// What kind of device a pool has. The peer's netDevice is kNetwork.
enum class DeviceType : std::uint8_t {
  kNetwork,      // PFs and VFs: PCI class 0x02
  kVf,           // only VFs (our own form's default)
  kPf,           // only network functions that are no VFs
  kSf,           // subfunctions (the peer's auxNetDevice)
  kAccelerator,  // PCI class 0x12
};

// Where a pool's devices are offered.
enum class Offer : std::uint8_t { kDevicePlugin, kDra, kBoth };

// Which devices GetPreferredAllocation takes.
enum class Policy : std::uint8_t {
  kPacked,     // from as few PFs as possible, fullest first
  kSpread,     // over as many PFs as possible
  kRail,       // the same index on each PF
  kGpuAffine,  // under the PCIe switch of the GPUs that the pod has
};

struct IndexRange {
  std::uint32_t first = 0, last = 0;  // both included; first > last matches nothing
  auto operator<=>(const IndexRange&) const = default;
};

// "p0" or "p0#0-3,7": of a PF, by netdev name (pfNames) or PCI address (rootDevices).
struct PfSelector {
  std::string name;        // as compared: lower case
  bool everything = true;  // no '#': the PF itself and all of its functions
  std::vector<IndexRange> indexes;
  bool operator==(const PfSelector&) const = default;
};

// All that is set must hold. An empty list doesn't filter.
struct Selector {
  std::vector<std::uint16_t> vendors, devices;
  std::vector<std::string> drivers;
  std::vector<nic::PciAddress> pci_addresses;
  std::vector<std::string> acpi_indexes;
  std::vector<std::string> aux_types;
  std::vector<PfSelector> pf_names;
  std::vector<PfSelector> root_devices;
  std::vector<std::string> link_types;  // "ether", "infiniband"
  std::vector<std::string> ddp_profiles;
  std::vector<std::uint16_t> pkeys;
  bool is_rdma = false;         // only RDMA-capable ones; and their RDMA devices are given too
  bool need_vhost_net = false;  // no filter: gives /dev/vhost-net and /dev/net/tun
  std::string vdpa_type;        // "", "vhost", "virtio"
  // Set: no device can match, and why ("vendors: ..."). A list whose values are all impossible must
  // not end as an empty list, which would match everything.
  std::string nothing;
  bool operator==(const Selector&) const = default;
};

struct HealthPolicy {
  bool enabled = true;
  bool carrier = true;  // of the PF
  bool driver = true;
  bool rdma = true;  // port state
  bool operator==(const HealthPolicy&) const = default;
};

struct PoolConfig {
  std::string name;    // "vf"
  std::string prefix;  // "sluice.dev"
  DeviceType type = DeviceType::kVf;
  std::vector<Selector> selectors;  // one must match; in order
  bool exclude_topology = false;
  std::map<std::string, std::map<std::string, std::string>> additional_info;  // by id, or "*"
  Offer offer = Offer::kBoth;  // kDra and kBoth only count where DRA is on
  Policy policy = Policy::kPacked;
  HealthPolicy health;
  // Devices that are never given out (the node's uplink, its host port) but for being named here,
  // by netdev name or PCI address.
  std::vector<std::string> allow_reserved;

  std::string resource() const { return prefix + "/" + name; }
  bool operator==(const PoolConfig&) const = default;
};

struct Warning {
  std::string where;  // "resourceList[2].selectors.pfName"
  std::string what;
  bool operator==(const Warning&) const = default;
};

struct RefusedPool {
  std::string resource;  // as far as it could be read
  std::string reason;
  bool operator==(const RefusedPool&) const = default;
};

struct Config {
  std::vector<PoolConfig> pools;
  std::vector<RefusedPool> refused;
  std::vector<Warning> warnings;
  std::map<std::string, std::uint32_t>
      rails;                            // PF netdev name or PCI address -> rail; else by order
  std::vector<std::string> host_ports;  // VFs that the node keeps: PCI addresses or "p0#7"
  std::uint32_t plain_ports = 110;      // DRA devices of the class of plain ports; 0: none
  bool operator==(const Config&) const = default;
};

// `default_prefix`: of pools that name none; unset: "sluice.dev" in our own form, and in the peer's
// its own default, "intel.com".
// Errors: Code::kInvalid for what can't be understood as a whole (no JSON, too large, neither form,
// duplicate resource names).
Result<Config> parse_config(std::string_view json,
                            const std::optional<std::string>& default_prefix = std::nullopt);
Config default_config(const std::string& prefix);  // pool "vf" with every VF

// A DNS name, as Kubernetes wants before the '/' of an extended resource.
Status check_resource_prefix(std::string_view prefix);

std::string_view to_string(DeviceType type);
std::string_view to_string(Policy policy);
std::string_view to_string(Offer offer);

}  // namespace sluice::config
