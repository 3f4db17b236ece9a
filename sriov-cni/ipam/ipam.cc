// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/ipam.h"

#include "sriov-cni/ipam/address_store.h"
#include "sriov-cni/ipam/built_in.h"
#include "sriov-cni/ipam/delegate.h"

namespace sluice::cni {
namespace {

struct Place {
  std::string directory, name;
};

Result<std::vector<Place>> all_places(const std::string& state_dir) {
  std::vector<Place> out;
  const auto ipam = state_dir + "/ipam";
  SLUICE_TRY(const auto nodes, subdirectories(ipam));
  for (const auto& node : nodes) out.push_back({ipam + "/" + node, "node block of " + node});
  const auto folder = pools_directory(state_dir);
  SLUICE_TRY(const auto pools, subdirectories(folder));
  for (const auto& pool : pools) {
    SLUICE_TRY(const auto rails, subdirectories(folder + "/" + pool));
    for (const auto& rail : rails) {
      out.push_back({folder + "/" + pool + "/" + rail,
                     "pool " + pool + (rail == "-" ? "" : ", rail " + rail)});
    }
  }
  return out;
}

// Neither half has a '/', by the CNI specification. Empty: it is no key.
AttachmentKey key_of(const std::string& owner) {
  const auto slash = owner.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == owner.size() ||
      slash != owner.rfind('/')) {
    return {};
  }
  return {owner.substr(0, slash), owner.substr(slash + 1)};
}

}  // namespace

Result<std::unique_ptr<Ipam>> make_ipam(const IpamSource& source, Duration deadline) {
  switch (source.kind) {
    case IpamKind::kNodeBlock:
      return make_node_block(source);
    case IpamKind::kPool:
      return make_pool(source);
    case IpamKind::kDelegate:
      return make_delegate(source, deadline);
    case IpamKind::kNone:
      break;
  }
  return fail(Code::kInvalid, "network " + source.network.substr(0, 200) + " has no ipam");
}

Result<std::vector<HeldAddress>> held_addresses(const std::string& state_dir) {
  SLUICE_TRY(const auto places, all_places(state_dir));
  std::vector<HeldAddress> out;
  for (const auto& place : places) {
    SLUICE_TRY(const auto owners, read_addresses(place.directory));
    for (const auto& [address, owner] : owners) {
      const auto text = address.to_string();
      out.push_back({owner ? key_of(*owner) : AttachmentKey{}, text, place.name,
                     place.directory + "/" + text});
    }
  }
  return out;
}

Status release_everywhere(const std::string& state_dir, const AttachmentKey& owner) {
  SLUICE_TRY(const auto places, all_places(state_dir));
  Status first;
  for (const auto& place : places) {
    auto released = release_addresses(place.directory, owner.id());
    if (!released && first) first = fail(std::move(released).error().with("in " + place.name));
  }
  return first;
}

}  // namespace sluice::cni
