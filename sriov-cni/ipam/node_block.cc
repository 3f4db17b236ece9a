// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/block_store.h"
#include "sriov-cni/ipam/built_in.h"

namespace sluice::cni {
namespace {

constexpr std::uint8_t kScopeLink = 253;  // RT_SCOPE_LINK

class NodeBlock : public Ipam {
 public:
  NodeBlock(BlockStore store, IpamSource source)
      : store_(std::move(store)), source_(std::move(source)) {}

  Result<CniResult> add(const IpamOwner& owner) override {
    SLUICE_TRY(const auto block, Prefix4::parse(source_.block));
    SLUICE_TRY(auto wish, wish_of());
    SLUICE_TRY(wish.requested, requested_of(owner));
    SLUICE_TRY(const auto ip, store_.allocate(block, owner.key.id(), wish));
    const auto gateway = IpAddr::from(*wish.gateway);
    CniResult out;
    out.addresses.push_back({{IpAddr::from(ip), 32}, gateway, std::nullopt});
    CniRoute to_gateway;
    to_gateway.destination = {gateway, 32};
    to_gateway.scope = kScopeLink;
    CniRoute rest;
    rest.gateway = gateway;
    out.routes = {to_gateway, rest};
    return out;
  }
  Status del(const IpamOwner& owner) override { return store_.release(owner.key.id()); }
  Status check(const IpamOwner& owner, const CniResult& previous) override {
    SLUICE_TRY(const auto owners, store_.held());
    return check_held("node block of " + source_.node, addresses_of(owners, owner.key.id()), owner,
                      previous);
  }
  Status status() override { return unavailable(room()); }
  Status gc(const std::vector<AttachmentKey>&) override { return {}; }

 private:
  Result<BlockWish> wish_of() const {
    SLUICE_TRY(const auto gateway, Ipv4::parse(source_.gateway));
    return BlockWish{gateway, std::nullopt};
  }
  Result<std::optional<Ipv4>> requested_of(const IpamOwner& owner) const {
    if (owner.requested.empty()) return std::nullopt;
    const auto ip = owner.requested.front().address.v4();
    if (owner.requested.size() == 1 && ip) return *ip;
    std::string all;
    for (const auto& one : owner.requested) all += " " + one.address.to_string();
    return fail(Code::kInvalid, "addresses" + all.substr(0, 200) + " are asked for by attachment " +
                                    owner.key.id().substr(0, 200) + "; allowed is one of block " +
                                    source_.block);
  }
  Status room() const {
    SLUICE_TRY(const auto block, Prefix4::parse(source_.block));
    SLUICE_TRY(const auto wish, wish_of());
    return store_.check_room(block, wish);
  }

  BlockStore store_;
  IpamSource source_;
};

}  // namespace

Result<std::unique_ptr<Ipam>> make_node_block(const IpamSource& source) {
  SLUICE_TRY(auto store, BlockStore::open(source.state_dir, source.node));
  return std::make_unique<NodeBlock>(std::move(store), source);
}

}  // namespace sluice::cni
