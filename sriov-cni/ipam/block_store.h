// SPDX-License-Identifier: Apache-2.0
// Addresses of one node's pod block, kept as one file each.
//
// Contract: an owner has at most one address; asking again gives the same one.
// Threading: any number of processes and threads; a lock on the store's directory orders them.
// Errors: Code::kExhausted names the block.
#pragma once

#include <string>
#include <vector>

#include "common/base/addr.h"
#include "common/base/result.h"

namespace sluice::cni {

class BlockStore {
 public:
  // `state_dir`/ipam/<node>; made when missing. `node` is checked: it becomes a directory's name.
  static Result<BlockStore> open(const std::string& state_dir, const std::string& node);

  Result<Ipv4> allocate(const Prefix4& block, const std::string& owner);
  Status release(const std::string& owner);  // has none: success

 private:
  explicit BlockStore(std::string directory) : directory_(std::move(directory)) {}
  struct Entry {
    Ipv4 ip;
    std::string owner;
  };
  Result<std::vector<Entry>> entries() const;
  std::string path_of(Ipv4 ip) const { return directory_ + "/" + ip.to_string(); }

  std::string directory_;
};

// In every node's store below `state_dir`: for a DEL that has no record of its attachment.
Status release_everywhere(const std::string& state_dir, const std::string& owner);

}  // namespace sluice::cni
