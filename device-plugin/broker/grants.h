// SPDX-License-Identifier: Apache-2.0
// Turns devices of a pool into what a container gets, and keeps the files that go with it: CDI
// specifications, device-info, VF baselines.
//
// Contract: a device is looked at again before it is given; one that is no longer what its pool
// took it for is refused with the reason. A CDI file that can't be written doesn't stop anybody:
// device nodes are then in the answer itself.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "device-plugin/allocate/grant.h"
#include "device-plugin/broker/settings.h"
#include "device-plugin/devinfo/devinfo.h"
#include "device-plugin/pools/pool_set.h"

namespace sluice::broker {

class Grants {
 public:
  Grants(const Settings& settings, Logger log)
      : settings_(settings), devinfo_(settings.devinfo_dir), log_(std::move(log)) {}

  // Errors: Code::kInvalid for an id that isn't the pool's, kPrecondition for one that can't be
  // given now: it says which and why.
  Result<allocate::Grant> grant(const pools::Pool& pool, const std::vector<std::string>& ids,
                                const nic::Inventory& inventory);
  Result<allocate::Access> access(const pools::Pool& pool, const pools::Member& member,
                                  const nic::Inventory& inventory) const;

  // Why a device could not be given if it were asked for, as far as the inventory tells.
  std::optional<std::string> obstacle(const pools::Pool& pool, const pools::Member& member,
                                      const allocate::HostFacts& host) const;
  allocate::HostFacts host_facts(const nic::Inventory& inventory) const;

  // Files of all pools as they are now; what nobody names any more goes, unless it isn't known yet
  // who has what.
  void keep_files(const std::vector<pools::Pool>& pools, const nic::Inventory& inventory,
                  const std::map<std::string, pools::Use>& uses, bool uses_known);

 private:
  void keep_devinfo(const pools::Pool& pool, const pools::Member& member,
                    const nic::Inventory& inventory);
  void keep_specs(const std::vector<pools::Pool>& pools, const nic::Inventory& inventory,
                  const std::map<std::string, pools::Use>& uses, bool uses_known);
  // Writes the pool's specification as the inventory is now; false: it has none.
  bool put_spec(const pools::Pool& pool, const allocate::HostFacts& host);
  void complain(const std::string& what, const Error& error);  // once for each

  const Settings& settings_;
  devinfo::Store devinfo_;
  Logger log_;
  std::set<std::string> complaints_;
};

}  // namespace sluice::broker
