// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/salvage.h"

#include "sriov-cni/attach/locks.h"
#include "sriov-cni/ports/veth.h"

namespace sluice::cni {

std::optional<os::NetNs> foreign_namespace(const std::string& path) {
  if (path.empty()) return std::nullopt;
  auto pod = os::NetNs::open(path);
  const auto here = os::NetNs::current();
  if (!pod || !here || pod->inode() == here->inode()) return std::nullopt;
  return std::move(*pod);
}

std::string veth_name_of(const std::string& hash) { return "sl" + hash.substr(0, 11); }

Status salvage_vf(Context& context, const NicPlace& place, const std::string& hash,
                  const os::NetNs* pod) {
  const auto alias = std::string(kAliasPrefix) + hash;
  SLUICE_TRY(const auto vf, find_by_alias(context.nics, place, alias, pod));
  if (!vf) return {};
  // Not waited for: out of order, as other VFs' locks may be held already.
  SLUICE_TRY(const auto lock, try_lock_vf(context.config.state_dir, vf->to_string()));
  if (!lock) {
    return fail(Error{Code::kPrecondition,
                      Domain::kNone,
                      0,
                      "VF " + vf->to_string() + " is being worked on by another call",
                      {},
                      Retry::kLater});
  }
  return return_by_baseline(context.nics, place, *vf, alias, pod);
}

Status salvage_port(Context& context, const NicPlace& place, const std::string& hash,
                    const os::NetNs* pod) {
  SLUICE_CHECK_OK(salvage_vf(context, place, hash, pod));
  Record record;
  record.veth = veth_name_of(hash);
  return delete_veth(record);
}

}  // namespace sluice::cni
