// SPDX-License-Identifier: Apache-2.0
// The NICs of the node, read once for a whole ADD or DEL.
//
// Contract: which functions there are and whose a VF is doesn't change within a call, so it is read
// once, and once more when a VF is asked for that isn't there; where a VF's netdev is does, so that
// is read anew with each question. RDMA and other user-space devices are not looked at. Of a VF
// that is asked for, only it and its PF are read: to read all functions of a node takes as long as
// all the rest of an ADD but the move.
// Threading: one thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "common/os/files.h"

namespace sluice::cni {

class Nics {
 public:
  struct VfNow {
    const nic::Pf* pf;  // until the next question or forget(); of its VFs maybe only this one
    nic::Vf vf;         // as it is now
  };

  // Errors: kNotFound: no such VF, or it is gone; its message lists the VFs that there are.
  Result<VfNow> vf(const std::string& sysfs_root, const nic::PciAddress& address);
  Result<std::vector<nic::PciAddress>> vfs(const std::string& sysfs_root);  // all of them
  void forget() {
    owners_.clear();
    inventories_.clear();
  }

 private:
  // A VF by its sysfs root and address.
  using Place = std::pair<std::string, nic::PciAddress>;

  Result<VfNow> known_vf(const Place& place);
  Result<const nic::Pf*> owner_of(const os::Root& root, const Place& place);
  Result<const nic::Inventory*> inventory(const std::string& sysfs_root);
  std::map<Place, nic::Pf> owners_;                    // its `vfs` has that VF
  std::map<std::string, nic::Inventory> inventories_;  // by sysfs root
};

}  // namespace sluice::cni
