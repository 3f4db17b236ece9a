// SPDX-License-Identifier: Apache-2.0
// The locks of attachments and VFs.
//
// Contract: taken in this order: an attachment's (of several interfaces: the first's; never two
// attachments' at once), then the VFs' by address. IPAM has its own, below these. In a state
// directory that is read-only there are none: lock_attachment() says so (is_read_only()), and
// whoever only takes back goes on without; the others succeed with nothing held. Threading: between
// processes; the kernel drops a lock with its holder.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/os/files.h"

namespace sluice::cni {

using Locks = std::vector<os::FileLock>;

bool is_read_only(const Error& error);  // EROFS

Result<Locks> lock_attachment(const std::string& state_dir, const std::string& id);
Result<Locks> lock_vfs(const std::string& state_dir, const std::set<std::string>& vfs);

// nullopt: somebody has it, so it is being worked on. `hash`: id_hash() of the attachment's id.
Result<std::optional<Locks>> try_lock_attachment(const std::string& state_dir,
                                                 const std::string& hash);
Result<std::optional<Locks>> try_lock_vf(const std::string& state_dir, const std::string& vf);

}  // namespace sluice::cni
