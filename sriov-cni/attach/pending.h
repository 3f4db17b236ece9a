// SPDX-License-Identifier: Apache-2.0
// Attachments that were made while the engine was away: one file each in its pending directory,
// named by id_hash() of the attachment's id (common/api/offload.proto, NodeInfo.pending_directory).
//
// Contract: a file that is taken back is one that no living engine has taken in.
#pragma once

#include <string>

#include "common/base/result.h"
#include "sriov-cni/attach/engine_client.h"

namespace sluice::cni {

Status leave_pending(const std::string& directory, const Attachment& attachment);
bool is_pending(const std::string& directory, const std::string& id);
// True: it was still there. Also removes what the engine refused to take in.
Result<bool> take_pending_back(const std::string& directory, const std::string& hash);
// For an engine that is away and may have taken in what was taken back: it died before it could
// remove the file. It detaches `id` at its start.
Status leave_withdrawal(const std::string& directory, const std::string& id);

}  // namespace sluice::cni
