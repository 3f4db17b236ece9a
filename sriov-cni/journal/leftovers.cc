// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/journal/leftovers.h"

#include <utility>

#include "common/os/files.h"

namespace sluice::cni {

Result<std::vector<std::string>> leftovers_in(const std::string& directory) {
  std::vector<std::string> out;
  const auto root = os::Root::open(directory);
  if (!root && root.error().code == Code::kNotFound) return out;
  if (!root) return fail(root.error());
  SLUICE_TRY(auto names, root->list("."));
  for (auto& name : names) {
    if (!os::temporary_target(name).empty()) out.push_back(std::move(name));
  }
  return out;
}

Status remove_leftovers(const std::string& target) {
  const auto slash = target.rfind('/');
  if (slash == std::string::npos) return {};
  const auto directory = target.substr(0, slash);
  const auto name = target.substr(slash + 1);
  SLUICE_TRY(const auto leftovers, leftovers_in(directory));
  for (const auto& leftover : leftovers) {
    if (os::temporary_target(leftover) != name) continue;
    SLUICE_CHECK_OK(os::remove_file(directory + "/" + leftover));
  }
  return {};
}

}  // namespace sluice::cni
