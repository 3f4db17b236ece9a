// SPDX-License-Identifier: Apache-2.0
// Addresses of one node's pod block, kept as one file each.
//
// Contract: an owner has at most one address; asking again gives the same one.
// Threading: any number of processes and threads; a lock on the store's directory orders them.
// Errors: Code::kExhausted names the block.
#pragma once

#include <optional>
#include <string>

#include "common/base/addr.h"
#include "common/base/result.h"
#include "sriov-cni/ipam/address_store.h"

namespace sluice::cni {

// What an allocation has to heed beside the block.
struct BlockWish {
  std::optional<Ipv4> gateway;    // never given
  std::optional<Ipv4> requested;  // this one or none
};

class BlockStore {
 public:
  // `state_dir`/ipam/<node>; made by the first allocation. `node` is checked: it becomes a
  // directory's name.
  static Result<BlockStore> open(const std::string& state_dir, const std::string& node);

  Result<Ipv4> allocate(const Prefix4& block, const std::string& owner, const BlockWish& wish = {});
  Status release(const std::string& owner);  // has none: success
  Result<AddressOwners> held() const;
  // Code::kExhausted when an allocation without a request would be.
  Status check_room(const Prefix4& block, const BlockWish& wish) const;

 private:
  explicit BlockStore(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace sluice::cni
