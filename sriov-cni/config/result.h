// SPDX-License-Identifier: Apache-2.0
// What ADD and VERSION print, in the shape of the configuration's cniVersion.
//
// Source: CNI SPEC 1.1.0 section 5 "Result Types" and the older versions of it: 0.3.1 and 0.4.0
// have "version" in ips and always "dns"; mtu and pciID of an interface and a route's scope came
// with 1.1.0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/addr.h"

namespace sluice::cni {

struct ResultInterface {
  std::string name;
  MacAddr mac;
  std::uint32_t mtu = 0;
  std::string sandbox;  // the pod's netns; empty: on the host
  std::string pci;      // a VF's address
};

// An address beside the first: no gateway, no routes.
struct MoreAddress {
  std::size_t interface = 0;  // which of the result's has it
  Ipv4 address;
};

struct AddResult {
  std::vector<ResultInterface> interfaces;
  std::size_t pod_interface = 0;  // which of them has the address
  Ipv4 address, gateway;
  std::vector<MoreAddress> more;
};

std::string result_json(std::string_view cni_version, const AddResult& result);
std::string version_json();

}  // namespace sluice::cni
