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

struct NetConfig {
  std::string cni_version;
  std::string name;
  std::string engine_socket = "/run/sluice/offload.sock";
  std::string state_dir = "/var/lib/sluice";
  std::optional<nic::PciAddress> device;  // unset: a veth
  std::optional<std::uint32_t> mtu;       // unset: the node's pod MTU
};

const std::vector<std::string_view>& supported_versions();  // oldest first

Result<NetConfig> parse_config(std::string_view text, Verb verb);

// The version to answer an error in: the configuration's own where it can be read and is supported.
std::string version_for_errors(std::string_view text);

}  // namespace sluice::cni
