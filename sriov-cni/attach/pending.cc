// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/pending.h"

#include <unistd.h>

#include <cerrno>

#include "common/os/files.h"
#include "sriov-cni/journal/leftovers.h"

namespace sluice::cni {
namespace {

Result<bool> remove_if_there(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail_errno(errno, "remove " + path);
}

}  // namespace

Status leave_pending(const std::string& directory, const Attachment& attachment) {
  SLUICE_CHECK_OK(os::make_directories(directory, 0700));
  return os::write_file_atomic(directory + "/" + id_hash(attachment.id),
                               attach_request_bytes(attachment), 0600);
}

bool is_pending(const std::string& directory, const std::string& id) {
  return ::access((directory + "/" + id_hash(id)).c_str(), F_OK) == 0;
}

Status leave_withdrawal(const std::string& directory, const std::string& id) {
  SLUICE_CHECK_OK(os::make_directories(directory, 0700));
  return os::write_file_atomic(directory + "/" + id_hash(id) + ".gone", id, 0600);
}

Result<bool> take_pending_back(const std::string& directory, const std::string& hash) {
  const auto path = directory + "/" + hash;
  SLUICE_CHECK_OK(remove_leftovers(path));
  SLUICE_TRY(const bool was_there, remove_if_there(path));
  // Renamed by the engine: nothing of it is in force.
  SLUICE_TRY(const bool refused, remove_if_there(path + ".refused"));
  return was_there || refused;
}

}  // namespace sluice::cni
