// SPDX-License-Identifier: Apache-2.0
// The network configuration on stdin, validated: our own keys, and those of sriov-cni and
// ib-sriov-cni as they are.
//
// Contract: on ADD and CHECK an unknown key is an error (code 7) that names the nearest known one;
// keys with a '.' or a '/' belong to others and are accepted. The dialects of other plugins accept
// unknown keys, as those plugins do. On STATUS all is checked that doesn't come with a pod (its
// device, runtimeConfig, args, prevResult). On DEL and GC only what they need is read, because a
// configuration that became invalid must not keep its pods from going: paths are checked all the
// same, anything else that is wrong counts as missing.
// The dialects of other plugins take their keys in any case of letters, as those plugins do.
// Errors: code 1 for versions, 6 for what is no JSON, 2 for wishes that nothing can act on, 4 for
// CNI_ARGS, else 7.
// Source: CNI SPEC 1.1.0 section 1, CONVENTIONS.md (runtimeConfig, args); the keys of the others:
// their documentation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/ip.h"
#include "common/base/log.h"
#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "sriov-cni/config/attachment_key.h"
#include "sriov-cni/config/cni_result.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/vf_wish.h"

namespace sluice::cni {

inline constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20U;

// Whose configuration it is, by its `type`.
enum class Dialect : std::uint8_t {
  kSluice,   // "sluice-cni", and every name that is none of the others
  kSriov,    // "sriov"
  kIbSriov,  // "ib-sriov"
};

// Whether the device plugin is asked for the pod's devices when the configuration names none.
enum class AskPlugin : std::uint8_t {
  kOptional,  // where its socket is; none: a node without a device plugin, the pod gets a veth
  kRequired,  // no socket: try again later
  kNever,     // for networks whose VFs a meta-plugin hands out
};

// "offload": what the attachment has to do with the offload engine.
enum class EngineUse : std::uint8_t {
  kRequired,  // engine away: try again later. Sluice's own default
  kOptional,  // engine away: attached without offload, the engine catches up
  kNever,     // a plain VF, switched as its NIC does. The default of the other dialects
};

enum class IpamKind : std::uint8_t {
  kNone,       // no addresses
  kNodeBlock,  // of the node's pod block, that the engine names; only with an engine
  kPool,       // "type": "sluice"
  kDelegate,   // any other type: a plugin in CNI_PATH
};

// runtimeConfig.portMappings
struct PortMapping {
  std::uint16_t host_port = 0, container_port = 0;
  std::string protocol;           // "tcp", "udp"
  std::optional<IpAddr> host_ip;  // unset: all of the node's
  bool operator==(const PortMapping&) const = default;
};

struct NetConfig {
  std::string cni_version;
  std::string name;
  std::string type;
  std::string network_reference;  // networkReference: "<namespace>/<name>" of the network's object
  Dialect dialect = Dialect::kSluice;
  std::string text;  // all of it, as it came: what a delegate gets

  EngineUse engine = EngineUse::kRequired;
  std::string engine_socket = "/run/sluice/offload.sock";
  std::string state_dir = "/var/lib/sluice";
  std::string baseline_dir = "/run/sluice/baselines";
  std::string stats_file = "/run/sluice/cni-stats";
  // For networks without an engine; with one, it says them.
  std::string sysfs_root = "/sys";
  std::string vf_control_socket;  // a simulated NIC's

  std::optional<nic::PciAddress> device;  // unset: what the device plugin says, else a veth
  std::string device_plugin_socket = "/run/sluice/device-plugin.sock";
  AskPlugin ask_plugin = AskPlugin::kOptional;
  std::string resource;              // whose first device is the pod's first interface; empty: any
  std::optional<std::uint32_t> mtu;  // unset: the node's pod MTU, or without an engine the VF's own
  VfWish vf;

  IpamKind ipam = IpamKind::kNone;
  std::string ipam_type;                      // of a delegate
  std::string ipam_text;                      // the ipam object
  std::vector<IpPrefix> requested_addresses;  // runtimeConfig.ips, args.cni.ips, CNI_ARGS IP
  CniDns dns;  // runtimeConfig.dns, else dns: goes into the result, before what ipam says
  std::vector<PortMapping> port_mappings;
  std::string device_info_file;  // runtimeConfig.CNIDeviceInfoFile; empty: none is wanted

  std::optional<CniResult> previous;  // prevResult
  // GC's cni.dev/valid-attachments; unset: the key is missing.
  std::optional<std::vector<AttachmentKey>> valid_attachments;

  Level log_level = Level::kInfo;
  std::string log_file;  // empty: stderr
};

const std::vector<std::string_view>& supported_versions();  // oldest first

// `call` has CNI_ARGS' part (MAC, IP), which goes before the configuration's own but not before
// runtimeConfig.
Result<NetConfig> parse_config(std::string_view text, const Invocation& call);

// Of a configuration that is refused, what tells of the call: name, network_reference, stats_file
// (empty when it isn't said), log_level and log_file, each as far as it can be read.
NetConfig readable_parts(std::string_view text);

// "This network must be told which VF": for a configuration without deviceID when no VF was found
// for it otherwise.
Error no_device_error(const NetConfig& config);

// The version to answer an error and VERSION in: the configuration's own where it can be read and
// is supported, else the newest.
std::string version_for_errors(std::string_view text);

}  // namespace sluice::cni
