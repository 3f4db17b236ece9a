// SPDX-License-Identifier: Apache-2.0
// How devices, pools and slices are called in the API. Internal to device-plugin/dra.
//
// A device's name there is a DNS label, so that a PCI address "0000:08:00.1" becomes "0000-08-00-1"
// and a subfunction "mlx5_core.sf.4" becomes "mlx5--core-sf-4"; what can't be told back from that
// becomes "x-" and its bytes in hexadecimal.
// Source: RFC 1123 labels (63 characters), resource.k8s.io/v1 Device and ResourcePool.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::dra {

// Unset: too long for any name.
std::optional<std::string> device_name_of(const std::string& id);
// The other way; unset for plain ports and what is no name of ours.
std::optional<std::string> id_of_device_name(const std::string& name);

std::string plain_port_name(std::uint32_t number);  // "port-7"
std::optional<std::uint32_t> plain_port_number(const std::string& name);

std::string device_pool_of(const std::string& node);  // the node's name
std::string port_pool_of(const std::string& node);    // "<node>-ports"
// Of a pool's slices; a number is put behind it. At most 230 characters, whatever the node's name.
std::string slice_stem(const std::string& node, bool ports);

}  // namespace sluice::dra
