// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/block_store.h"

#include "sriov-cni/ipam/address_choice.h"

namespace sluice::cni {
namespace {

constexpr std::uint8_t kShortestBlock = 8, kLongestBlock = 30;

Result<AddressSource> source_of(const Prefix4& block, const BlockWish& wish) {
  if (block.length < kShortestBlock || block.length > kLongestBlock) {
    return fail(Code::kInvalid, "block " + block.to_string() + " must be a /8 to /30");
  }
  auto range = whole_subnet({IpAddr::from(block.address), block.length});
  range.first = range.first.next().value_or(range.first);  // the node's own
  if (wish.gateway) range.gateway = IpAddr::from(*wish.gateway);
  return AddressSource{"block " + block.to_string(), {range}, {}, {}};
}

}  // namespace

Result<BlockStore> BlockStore::open(const std::string& state_dir, const std::string& node) {
  SLUICE_CHECK_OK(check_directory_name("node name", node));
  return BlockStore(state_dir + "/ipam/" + node);
}

Result<Ipv4> BlockStore::allocate(const Prefix4& block, const std::string& owner,
                                  const BlockWish& wish) {
  SLUICE_TRY(const auto source, source_of(block, wish));
  SLUICE_TRY(auto store, LockedAddresses::open(directory_));
  AddressWish address_wish;
  address_wish.owner = owner;
  if (wish.requested) address_wish.requested = IpAddr::from(*wish.requested);
  SLUICE_TRY(const auto address, choose_address(store, source, 0, address_wish));
  if (store.owners().count(address) == 0) SLUICE_CHECK_OK(store.give(address, owner, 0));
  return *address.v4();
}

Status BlockStore::release(const std::string& owner) {
  return release_addresses(directory_, owner);
}

Result<AddressOwners> BlockStore::held() const { return read_addresses(directory_); }

Status BlockStore::check_room(const Prefix4& block, const BlockWish& wish) const {
  SLUICE_TRY(const auto source, source_of(block, wish));
  SLUICE_TRY(const auto owners, held());
  return cni::check_room(owners, source);
}

}  // namespace sluice::cni
