// SPDX-License-Identifier: Apache-2.0
// The sources of addresses that are ours: the node's pod block, and pools.
//
// Contract: as ipam.h has it.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "sriov-cni/ipam/address_store.h"
#include "sriov-cni/ipam/ipam.h"
#include "sriov-cni/ipam/pool.h"

namespace sluice::cni {

Result<std::unique_ptr<Ipam>> make_node_block(const IpamSource& source);
Result<std::unique_ptr<Ipam>> make_pool(const IpamSource& source);

// What this node and rail have of the source's pool, its blocks file read.
Result<Pool> load_pool(const IpamSource& source);

// <state_dir>/ipam/pools; below it <pool>/<rail>/<address>.
std::string pools_directory(const std::string& state_dir);
// Names; none when `directory` is missing.
Result<std::vector<std::string>> subdirectories(const std::string& directory);

// CNI's code 50 ("can't serve ADD") for what an ADD would fail with now.
Status unavailable(Status status);

// check() of a source that holds `held`.
Status check_held(const std::string& source, const std::set<IpAddr>& held, const IpamOwner& owner,
                  const CniResult& previous);
// What of `owners` is `owner`'s.
std::set<IpAddr> addresses_of(const AddressOwners& owners, const std::string& owner);

}  // namespace sluice::cni
