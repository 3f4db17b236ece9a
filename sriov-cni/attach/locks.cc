// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/locks.h"

#include <cerrno>

#include "sriov-cni/journal/record.h"

namespace sluice::cni {
namespace {

// A few files for all attachments: a lock file can't be removed safely while somebody may hold it.
std::string attachment_file(const std::string& hash) { return "attachment-" + hash.substr(0, 2); }
std::string vf_file(const std::string& vf) { return "vf-" + vf; }

// The file's path, or nothing on a read-only filesystem.
Result<std::optional<std::string>> make_place(const std::string& state_dir,
                                              const std::string& file) {
  auto made = os::make_directories(state_dir + "/locks", 0700);
  if (!made && is_read_only(made.error())) return std::optional<std::string>{};
  if (!made) return fail(std::move(made).error());
  return std::optional<std::string>(state_dir + "/locks/" + file);
}

Status lock_into(Locks& locks, const std::string& state_dir, const std::string& file) {
  SLUICE_TRY(const auto path, make_place(state_dir, file));
  if (!path) return {};
  auto lock = os::FileLock::acquire(*path);
  if (!lock && is_read_only(lock.error())) return {};
  if (!lock) return fail(std::move(lock).error());
  locks.push_back(std::move(*lock));
  return {};
}

Result<std::optional<Locks>> try_lock(const std::string& state_dir, const std::string& file) {
  Locks locks;
  SLUICE_TRY(const auto path, make_place(state_dir, file));
  if (!path) return std::optional<Locks>(std::move(locks));
  auto lock = os::FileLock::try_acquire(*path);
  if (!lock && lock.error().code == Code::kPrecondition) return std::optional<Locks>{};
  if (!lock) return fail(std::move(lock).error());
  locks.push_back(std::move(*lock));
  return std::optional<Locks>(std::move(locks));
}

}  // namespace

bool is_read_only(const Error& error) {
  return error.domain == Domain::kKernel && error.native == EROFS;
}

Result<Locks> lock_attachment(const std::string& state_dir, const std::string& id) {
  Locks locks;
  SLUICE_CHECK_OK(os::make_directories(state_dir + "/locks", 0700));
  SLUICE_TRY(auto lock,
             os::FileLock::acquire(state_dir + "/locks/" + attachment_file(id_hash(id))));
  locks.push_back(std::move(lock));
  return locks;
}

Result<Locks> lock_vfs(const std::string& state_dir, const std::set<std::string>& vfs) {
  Locks locks;
  for (const auto& vf : vfs) SLUICE_CHECK_OK(lock_into(locks, state_dir, vf_file(vf)));
  return locks;
}

Result<std::optional<Locks>> try_lock_attachment(const std::string& state_dir,
                                                 const std::string& hash) {
  return try_lock(state_dir, attachment_file(hash));
}

Result<std::optional<Locks>> try_lock_vf(const std::string& state_dir, const std::string& vf) {
  return try_lock(state_dir, vf_file(vf));
}

}  // namespace sluice::cni
