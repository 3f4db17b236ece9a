// SPDX-License-Identifier: Apache-2.0
// The network configuration on stdin, validated.
//
// Contract: on ADD an unknown key is an error (code 7) that names the nearest known one; keys with
// a '.' or a '/' belong to others and are accepted. On DEL only what DEL needs is read, because a
// configuration that became invalid must not keep its pods from going.
// Source: CNI SPEC 1.1.0 section 1, CONVENTIONS.md (runtimeConfig, args).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "sriov-cni/config/environment.h"

namespace sluice::cni {

inline constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20U;

// Whether the device plugin is asked for the pod's devices when the configuration names none.
enum class AskPlugin : std::uint8_t {
  kOptional,  // where its socket is; none: a node without a device plugin, the pod gets a veth
  kRequired,  // no socket: try again later
  kNever,     // for networks whose VFs a meta-plugin hands out
};

struct NetConfig {
  std::string cni_version;
  std::string name;
  std::string engine_socket = "/run/sluice/offload.sock";
  std::string state_dir = "/var/lib/sluice";
  std::optional<nic::PciAddress> device;  // unset: what the device plugin says, else a veth
  std::string device_plugin_socket = "/run/sluice/device-plugin.sock";
  AskPlugin ask_plugin = AskPlugin::kOptional;
  std::string resource;              // whose first device is the pod's first interface; empty: any
  std::optional<std::uint32_t> mtu;  // unset: the node's pod MTU
};

const std::vector<std::string_view>& supported_versions();  // oldest first

Result<NetConfig> parse_config(std::string_view text, Verb verb);

// The version to answer an error in: the configuration's own where it can be read and is supported.
std::string version_for_errors(std::string_view text);

}  // namespace sluice::cni
