// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/pools/candidate.h"

#include <algorithm>

namespace sluice::pools {
namespace {

// "p0": an uplink's port name; "pf0vf3" and "pf0" are others'.
bool is_uplink(const nic::Netdev& netdev) {
  const auto& name = netdev.physical_port_name;
  return !netdev.physical_switch_id.empty() && name.size() > 1 && name.front() == 'p' &&
         std::all_of(name.begin() + 1, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string pf_text(const nic::Pf& pf) {
  const auto* netdev = pf_netdev(pf);
  return netdev == nullptr ? pf.address.to_string() : netdev->name;
}

}  // namespace

std::vector<Candidate> candidates(const nic::Inventory& inventory) {
  std::vector<Candidate> out;
  std::size_t size = inventory.accelerators.size() + inventory.pfs.size();
  for (const auto& pf : inventory.pfs) size += pf.vfs.size() + pf.sfs.size();
  out.reserve(size);
  using Kind = Candidate::Kind;
  for (const auto& pf : inventory.pfs) {
    out.push_back({Kind::kPf, pf.address.to_string(), &pf, nullptr, &pf, std::nullopt});
    for (const auto& vf : pf.vfs) {
      out.push_back({Kind::kVf, vf.address.to_string(), &vf, nullptr, &pf, vf.index});
    }
    for (const auto& sf : pf.sfs) out.push_back({Kind::kSf, sf.name, &pf, &sf, &pf, sf.number});
  }
  for (const auto& function : inventory.accelerators) {
    out.push_back({Kind::kAccelerator, function.address.to_string(), &function, nullptr, nullptr,
                   std::nullopt});
  }
  return out;
}

const nic::Netdev* pf_netdev(const nic::Pf& pf) {
  if (pf.netdev && is_uplink(*pf.netdev)) return &*pf.netdev;
  const auto uplink = std::find_if(pf.more_netdevs.begin(), pf.more_netdevs.end(), is_uplink);
  if (uplink != pf.more_netdevs.end()) return &*uplink;
  return pf.netdev ? &*pf.netdev : nullptr;
}

std::string describe(const Candidate& candidate) {
  const auto numbered = [&](const char* what) {
    return what + std::to_string(candidate.index.value_or(0)) + " of " + pf_text(*candidate.pf);
  };
  switch (candidate.kind) {
    case Candidate::Kind::kPf:
      return "PF " + pf_text(*candidate.pf);
    case Candidate::Kind::kVf:
      return numbered("VF ");
    case Candidate::Kind::kSf:
      return numbered("SF ");
    case Candidate::Kind::kAccelerator:
      return "accelerator";
  }
  return "";
}

}  // namespace sluice::pools
