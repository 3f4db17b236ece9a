// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "device-plugin/topology/preferred.h"

namespace sluice::topology {
namespace {

constexpr std::uint32_t kOtherRootPort = 1000;  // deeper than any hierarchy of buses (256 of them)
constexpr std::uint32_t kOtherRoot = 2000;

}  // namespace

std::uint32_t distance(const std::vector<nic::PciAddress>& a, const std::string& root_a,
                       const std::vector<nic::PciAddress>& b, const std::string& root_b) {
  if (root_a != root_b) return kOtherRoot;
  if (a == b) return 0;
  const auto parted = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  const auto shared = static_cast<std::size_t>(parted - a.begin());
  if (shared == 0) return kOtherRootPort;
  const std::size_t apart = std::max(a.size(), b.size()) - shared;
  return static_cast<std::uint32_t>(std::min<std::size_t>(apart, kOtherRootPort - 1));
}

}  // namespace sluice::topology
