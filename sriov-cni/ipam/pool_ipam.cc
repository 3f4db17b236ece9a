// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "common/os/files.h"
#include "sriov-cni/ipam/built_in.h"
#include "sriov-cni/ipam/pool.h"

namespace sluice::cni {
namespace {

struct Chosen {
  std::size_t set = 0;
  IpAddr address;
  bool fresh = false;  // not the owner's before
};

CniAddress as_result(const Pool& pool, const Chosen& chosen) {
  CniAddress out;
  for (const auto& range : pool.sets[chosen.set]) {
    // Of several ranges in one subnet, its own; a reservation may be in none.
    if (!range.subnet.contains(chosen.address)) continue;
    out.address = {chosen.address, range.subnet.length};
    out.gateway = range.gateway;
    if (range.contains(chosen.address)) break;
  }
  return out;
}

std::string all_ranges(const Pool& pool) {
  std::string out;
  for (const auto& set : pool.sets) out += (out.empty() ? "" : ", ") + to_string(set);
  return out;
}

// One a set at most; what is in no set's subnet is an error.
Result<std::vector<std::optional<IpAddr>>> requested_by_set(const Pool& pool,
                                                            const IpamOwner& owner) {
  std::vector<std::optional<IpAddr>> out(pool.sets.size());
  const auto fits = [&](std::size_t set, const IpAddr& ip, bool by_range) {
    return !out[set] &&
           std::any_of(pool.sets[set].begin(), pool.sets[set].end(), [&](const auto& range) {
             return by_range ? range.contains(ip) : range.subnet.contains(ip);
           });
  };
  for (const auto& wanted : owner.requested) {
    const auto& ip = wanted.address;
    bool placed = false;
    for (const bool by_range : {true, false}) {
      for (std::size_t set = 0; !placed && set < out.size(); ++set) {
        if (!fits(set, ip, by_range)) continue;
        out[set] = ip;
        placed = true;
      }
    }
    if (placed) continue;
    return fail(Code::kInvalid, "address " + ip.to_string() + ", asked for by attachment " +
                                    owner.key.id().substr(0, 200) + ", is not in pool " +
                                    pool.name + ", which has " + all_ranges(pool) +
                                    ", or another one of the same list is asked for too");
  }
  return out;
}

Result<std::vector<Chosen>> give_all(const Pool& pool, const IpamOwner& owner,
                                     LockedAddresses& store) {
  SLUICE_TRY(const auto requested, requested_by_set(pool, owner));
  std::vector<Chosen> chosen;
  AddressWish wish;
  wish.owner = owner.key.id();
  wish.pod = owner.pod;
  wish.mac = owner.mac;
  const auto give_one = [&](std::size_t set) -> Status {
    wish.requested = requested[set];
    SLUICE_TRY(const auto address, choose_address(store, pool.source(set), set, wish));
    const bool fresh = store.owners().count(address) == 0;
    if (fresh) SLUICE_CHECK_OK(store.give(address, wish.owner, set));
    chosen.push_back({set, address, fresh});
    wish.chosen.push_back(address);
    return {};
  };
  for (std::size_t set = 0; set < pool.sets.size(); ++set) {
    const auto given = give_one(set);
    if (given) continue;
    auto error = given.error();
    for (const auto& one : chosen) {
      if (!one.fresh) continue;
      const auto back = store.take_back(one.address);
      if (!back) error.context.push_back("giving back: " + back.error().to_string());
    }
    return fail(std::move(error));
  }
  return chosen;
}

class PoolIpam : public Ipam {
 public:
  explicit PoolIpam(IpamSource source) : source_(std::move(source)) {}

  Result<CniResult> add(const IpamOwner& owner) override {
    SLUICE_TRY(const auto pool, load_pool(source_));
    SLUICE_TRY(auto store, LockedAddresses::open(directory_of(pool)));
    SLUICE_TRY(const auto chosen, give_all(pool, owner, store));
    CniResult out;
    for (const auto& one : chosen) out.addresses.push_back(as_result(pool, one));
    out.routes = pool.routes;
    out.dns = pool.dns;
    return out;
  }

  // By the name alone, on every rail: configuration and device may be others by now.
  Status del(const IpamOwner& owner) override {
    const auto name = pool_name(source_.text, source_.network);
    if (!name) return release_everywhere(source_.state_dir, owner.key);
    const auto folder = pools_directory(source_.state_dir) + "/" + *name;
    SLUICE_TRY(const auto rails, subdirectories(folder));
    for (const auto& rail : rails) {
      SLUICE_CHECK_OK(release_addresses(folder + "/" + rail, owner.key.id()));
    }
    return {};
  }

  Status check(const IpamOwner& owner, const CniResult& previous) override {
    SLUICE_TRY(const auto name, pool_name(source_.text, source_.network));
    const auto folder = pools_directory(source_.state_dir) + "/" + name;
    SLUICE_TRY(const auto rails, subdirectories(folder));
    std::set<IpAddr> held;
    for (const auto& rail : rails) {
      SLUICE_TRY(const auto owners, read_addresses(folder + "/" + rail));
      held.merge(addresses_of(owners, owner.key.id()));
    }
    return check_held("pool " + name, held, owner, previous);
  }

  Status status() override { return unavailable(room()); }
  Status gc(const std::vector<AttachmentKey>&) override { return {}; }

 private:
  std::string directory_of(const Pool& pool) const {
    return pools_directory(source_.state_dir) + "/" + pool.name + "/" + pool.rail;
  }
  Status room() const {
    SLUICE_TRY(const auto pool, load_pool(source_));
    SLUICE_TRY(const auto owners, read_addresses(directory_of(pool)));
    for (std::size_t set = 0; set < pool.sets.size(); ++set) {
      SLUICE_CHECK_OK(check_room(owners, pool.source(set)));
    }
    return {};
  }

  IpamSource source_;
};

}  // namespace

Result<Pool> load_pool(const IpamSource& source) {
  return parse_pool(source.text, {source.network, source.node, source.rail},
                    [](const std::string& path) { return os::read_file(path, kMaxBlocksBytes); });
}

Result<std::unique_ptr<Ipam>> make_pool(const IpamSource& source) {
  return std::make_unique<PoolIpam>(source);
}

}  // namespace sluice::cni
