// SPDX-License-Identifier: Apache-2.0
// Records what each VF was like when it was first seen, before any pod had it.
#pragma once

#include <map>
#include <set>
#include <string>

#include "common/base/log.h"
#include "common/base/result.h"
#include "common/nic/baseline.h"
#include "common/nic/inventory.h"

namespace sluice::broker {

class Baselines {
 public:
  // `directory`: should not outlive a reboot, as VF attributes don't. `sysfs_root`: where the
  // inventory is from. `vf_control_socket`: the simulated NIC's.
  Baselines(std::string directory, std::string sysfs_root, std::string vf_control_socket,
            Logger log)
      : directory_(std::move(directory)),
        sysfs_root_(std::move(sysfs_root)),
        vf_control_socket_(std::move(vf_control_socket)),
        log_(std::move(log)) {}

  // Records the VFs that are new, or made anew, and forgets those that their PF says are gone.
  // `in_use`: device IDs that are somebody's; they are left for a later look.
  void look(const nic::Inventory& inventory, const std::set<std::string>& in_use);

 private:
  bool is_settled(const nic::Vf& vf) const;
  Status record(const nic::Pf& pf, const nic::Vf& seen, const nic::VfAttributes& attributes);
  void record_new(const nic::Pf& pf, const std::set<std::string>& in_use);
  void forget_gone(const nic::Inventory& inventory, const std::set<std::string>& in_use);
  void complain(const std::string& about, const Error& error);

  std::string directory_, sysfs_root_, vf_control_socket_;
  Logger log_;
  struct Origin {
    nic::PciAddress pf;
    std::uint16_t index = 0;
    std::string generation;
  };
  std::map<nic::PciAddress, Origin> settled_;  // recorded, by this process or an earlier one
  std::set<std::string> complaints_;
};

}  // namespace sluice::broker
