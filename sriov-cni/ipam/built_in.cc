// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/built_in.h"

#include <cerrno>

#include "common/os/files.h"
#include "sriov-cni/config/cni_error.h"

namespace sluice::cni {
std::string pools_directory(const std::string& state_dir) { return state_dir + "/ipam/pools"; }

Result<std::vector<std::string>> subdirectories(const std::string& directory) {
  const auto root = os::Root::open(directory);
  std::vector<std::string> out;
  if (!root) {
    if (root.error().code == Code::kNotFound) return out;
    return fail(root.error());
  }
  SLUICE_TRY(const auto names, root->list("."));
  for (const auto& name : names) {
    const auto inner = root->list(name);
    if (inner) out.push_back(name);
    const bool none = !inner && inner.error().domain == Domain::kKernel &&
                      (inner.error().native == ENOTDIR || inner.error().native == ENOENT);
    if (!inner && !none) return fail(inner.error());
  }
  return out;
}

Status unavailable(Status status) {
  if (status) return status;
  auto error = std::move(status).error();
  error.domain = Domain::kProtocol;
  error.native = kNotAvailable;
  return fail(std::move(error));
}

std::set<IpAddr> addresses_of(const AddressOwners& owners, const std::string& owner) {
  std::set<IpAddr> out;
  for (const auto& [address, of] : owners) {
    if (of == owner) out.insert(address);
  }
  return out;
}

Status check_held(const std::string& source, const std::set<IpAddr>& held, const IpamOwner& owner,
                  const CniResult& previous) {
  std::set<IpAddr> expected;
  for (const auto& one : previous.addresses) expected.insert(one.address.address);
  const auto wrong = [&](const IpAddr& ip, const char* what) {
    return fail(Code::kPrecondition, "address " + ip.to_string() + " of attachment " +
                                         owner.key.id().substr(0, 200) + what + source);
  };
  for (const auto& ip : expected) {
    if (held.count(ip) == 0) return wrong(ip, " is not reserved for it in ");
  }
  for (const auto& ip : held) {
    if (expected.count(ip) == 0) return wrong(ip, " is not in prevResult but reserved for it in ");
  }
  return {};
}

}  // namespace sluice::cni
