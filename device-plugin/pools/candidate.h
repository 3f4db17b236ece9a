// SPDX-License-Identifier: Apache-2.0
// Everything of an inventory that a pool could take, as one flat list.
//
// Contract: candidates point into the inventory that they were made of; keep it as long.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/nic/inventory.h"

namespace sluice::pools {

struct Candidate {
  enum class Kind : std::uint8_t { kPf, kVf, kSf, kAccelerator };
  Kind kind = Kind::kVf;
  std::string id;  // the kubelet's device ID: PCI address, or "mlx5_core.sf.4"
  const nic::Function* function = nullptr;  // of an SF: its PF's
  const nic::Sf* sf = nullptr;
  const nic::Pf* pf = nullptr;         // a VF's or SF's; of a PF: itself; null for an accelerator
  std::optional<std::uint32_t> index;  // VF index or sfnum

  // The netdev, driver and RDMA devices of the thing itself.
  const std::string& driver() const { return sf ? sf->driver : function->driver; }
  const std::optional<nic::Netdev>& netdev() const { return sf ? sf->netdev : function->netdev; }
  const std::vector<nic::RdmaDevice>& rdma() const { return sf ? sf->rdma : function->rdma; }
};

// In the order of the inventory: each PF, then its VFs by index, then its SFs; then accelerators.
std::vector<Candidate> candidates(const nic::Inventory& inventory);

// The netdev whose name is the PF's: in switchdev mode the uplink representor, not the first of the
// representors beside it. Null: none.
const nic::Netdev* pf_netdev(const nic::Pf& pf);

// For people: "VF 3 of p0", "PF p0", "SF 88 of p0", "accelerator".
std::string describe(const Candidate& candidate);

}  // namespace sluice::pools
