// SPDX-License-Identifier: Apache-2.0
// Given addresses as files of one directory: the name is the address, the content its owner.
//
// Contract: an entry is there whole or not at all, also after a crash (fsync). One that can't be
// read keeps its own address from being given and harms nothing else.
// Threading: any number of processes and threads; a lock on the directory orders those who write.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/ip.h"
#include "common/base/result.h"
#include "common/os/files.h"

namespace sluice::cni {

// Unset: the entry can't be read.
using AddressOwners = std::map<IpAddr, std::optional<std::string>>;

// Without a lock: as it is at this moment. A directory that is missing: nothing.
Result<AddressOwners> read_addresses(const std::string& directory);

// All of the owner's. It has none there: success, and the directory needs not be writable.
Status release_addresses(const std::string& directory, const std::string& owner);

// That `name` (of a node, a pool) can be a directory's: 1 to 253 letters, digits, '.', '-', '_',
// not beginning with '.'.
Status check_directory_name(std::string_view what, std::string_view name);

// A directory while nobody else changes it.
class LockedAddresses {
 public:
  // Makes the directory when it is missing, and removes what crashes have left.
  static Result<LockedAddresses> open(const std::string& directory);

  const AddressOwners& owners() const { return owners_; }

  // `set`: which of several sources in this directory; each goes on after its own last one.
  std::optional<IpAddr> last_given(std::size_t set) const;
  Status give(const IpAddr& address, const std::string& owner, std::size_t set);
  Status take_back(const IpAddr& address);

 private:
  LockedAddresses(std::string directory, os::FileLock lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}
  std::string directory_;
  os::FileLock lock_;
  AddressOwners owners_;
};

}  // namespace sluice::cni
