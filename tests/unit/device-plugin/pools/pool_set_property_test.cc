// SPDX-License-Identifier: Apache-2.0
// Random histories of a node, and what must hold after each step of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "device-plugin/pools/pool_set.h"
#include "tests/unit/device-plugin/pools/inventories.h"

namespace sluice::pools {
namespace {

constexpr std::size_t kVfs = 8;
constexpr int kHistories = 60;
constexpr int kSteps = 80;

class History {
 public:
  explicit History(std::uint64_t seed) : rng_(seed), set_(random_config()) {
    newest_ = set_.config();
    nics_.pfs = {make_pf("p0", 0x3b, kVfs)};
    all_ = nics_.pfs[0].vfs;
  }

  void step() {
    change();
    const auto before = lists();
    now_ += std::chrono::seconds(rng_.next() % 200);
    const bool changed =
        set_.update({std::make_shared<nic::Inventory>(nics_), {}, unhealthy_, uses_}, now_);
    CHECK(changed == (before != lists()));
    check();
  }

 private:
  std::size_t pick(std::size_t below) { return rng_.next() % below; }
  std::string random_id() { return all_[pick(kVfs)].address.to_string(); }

  config::Config random_config() {
    config::Config out;
    const std::vector<std::string> names = {"a", "b", "c"};
    for (const auto& name : names) {
      if (pick(4) == 0) continue;
      config::PoolConfig pool;
      pool.name = name;
      pool.prefix = "sluice.dev";
      config::Selector selector;
      const auto first = static_cast<std::uint32_t>(pick(kVfs));
      selector.pf_names = {{"p0", false, {{first, first + static_cast<std::uint32_t>(pick(5))}}}};
      if (pick(4) == 0) selector.drivers = {"vfio-pci"};
      if (pick(4) == 0) selector.pf_names.clear();
      pool.selectors = {selector};
      out.pools.push_back(pool);
    }
    return out;
  }

  void change() {
    switch (pick(8)) {
      case 0:
        newest_ = random_config();
        return set_.configure(newest_);
      case 1:  // vanishes, or comes back
        return toggle();
      case 2: {
        if (nics_.pfs[0].vfs.empty()) return;
        const std::vector<std::string> drivers = {"mlx5_core", "vfio-pci", ""};
        nics_.pfs[0].vfs[pick(nics_.pfs[0].vfs.size())].driver = drivers[pick(3)];
        return;
      }
      case 3:
        unhealthy_.clear();
        if (pick(2) == 0) unhealthy_[random_id()] = "link down";
        return;
      case 4:
      case 5:
        return give();
      case 6:
        if (!uses_.empty()) uses_.erase(uses_.begin());
        return;
      default:
        return;
    }
  }

  void toggle() {
    auto& present = nics_.pfs[0].vfs;
    const auto vf = all_[pick(kVfs)];
    const auto size = present.size();
    std::erase_if(present, [&](const nic::Vf& other) { return other.index == vf.index; });
    if (present.size() != size) return;
    present.push_back(vf);
    std::sort(present.begin(), present.end(),
              [](const nic::Vf& a, const nic::Vf& b) { return a.index < b.index; });
  }

  // As the kubelet does: something healthy of a pool. Or a claim.
  void give() {
    if (set_.pools().empty()) return;
    const auto& pool = set_.pools()[pick(set_.pools().size())];
    for (const auto& member : pool.members) {
      if (!member.device.healthy || member.use) continue;
      Use use{Use::Front::kDevicePlugin, pool.config.resource(), "shop/web"};
      if (pick(3) == 0) use = {Use::Front::kDra, "", "claim shop/net"};
      uses_[member.device.id] = use;
      home_[member.device.id] = pool.config.resource();
      return;
    }
  }

  // All that the kubelet's side could see of the pools.
  struct Shown {
    config::PoolConfig config;
    bool draining;
    std::vector<Device> devices;
    bool operator==(const Shown&) const = default;
  };
  std::vector<Shown> lists() const {
    std::vector<Shown> out;
    for (const auto& pool : set_.pools()) {
      out.push_back({pool.config, pool.draining, pool.devices()});
    }
    return out;
  }

  const nic::Vf* present(const std::string& id) const {
    for (const auto& vf : nics_.pfs[0].vfs) {
      if (vf.address.to_string() == id) return &vf;
    }
    return nullptr;
  }

  void check() {
    std::set<std::string> listed;
    for (const auto& pool : set_.pools()) {
      for (const auto& member : pool.members) {
        const auto& id = member.device.id;
        INFO(id << " in " << pool.config.resource());
        // In one pool's list only, be it healthy or not.
        CHECK(listed.insert(id).second);
        check_member(pool, member);
      }
    }
    for (const auto& [id, use] : uses_) {
      INFO(id << " of " << use.holder);
      // What is used never vanishes, nor moves.
      const Pool* pool = set_.pool_of(id);
      REQUIRE(pool != nullptr);
      CHECK(pool->config.resource() == home_[id]);
    }
    check_free();
    CHECK(set_.pools().size() >= newest_.pools.size());
    for (std::size_t i = 0; i < newest_.pools.size(); ++i) {
      CHECK(set_.pools()[i].config == newest_.pools[i]);
      CHECK_FALSE(set_.pools()[i].draining);
    }
  }

  void check_member(const Pool& pool, const Member& member) {
    const auto& id = member.device.id;
    const auto* vf = present(id);
    const auto use = uses_.find(id);
    CHECK(member.use.has_value() == (use != uses_.end()));
    CHECK(member.candidate.has_value() == (vf != nullptr));
    CHECK(member.device.healthy == member.device.reason.empty());
    if (member.device.healthy) {
      REQUIRE(vf != nullptr);
      CHECK_FALSE(vf->driver.empty());
      CHECK_FALSE(unhealthy_.contains(id));
      CHECK_FALSE(member.leaving);
      CHECK_FALSE(pool.draining);
      CHECK((!member.use || member.use->front == Use::Front::kDevicePlugin));
    }
    if (pool.draining) CHECK(member.use);
    if (member.leaving) CHECK(member.use);
  }

  // A used device that the newest configuration leaves where it is, is as healthy as a free one.
  void check_used(const Candidate& candidate, const Verdict& verdict) {
    const auto use = uses_.find(candidate.id);
    if (use == uses_.end() || use->second.front != Use::Front::kDevicePlugin) return;
    INFO(candidate.id);
    const bool stays =
        verdict.pool && newest_.pools[*verdict.pool].resource() == home_[candidate.id];
    const bool well = !candidate.driver().empty() && !unhealthy_.contains(candidate.id);
    for (const auto& member : set_.pool_of(candidate.id)->members) {
      if (member.device.id == candidate.id) CHECK(member.device.healthy == (stays && well));
    }
  }

  // Free ones, with a driver, are where the newest configuration wants them, and nowhere else.
  void check_free() {
    const auto all = candidates(nics_);
    const auto verdicts = assign(newest_, all, {});
    for (std::size_t i = 0; i < all.size(); ++i) {
      check_used(all[i], verdicts[i]);
      if (uses_.contains(all[i].id) || all[i].driver().empty()) continue;
      INFO(all[i].id);
      const Pool* pool = set_.pool_of(all[i].id);
      REQUIRE((pool != nullptr) == verdicts[i].pool.has_value());
      if (pool == nullptr) continue;
      CHECK(pool->config.resource() == newest_.pools[*verdicts[i].pool].resource());
    }
  }

  SeededRng rng_;
  PoolSet set_;
  config::Config newest_;
  nic::Inventory nics_;
  std::vector<nic::Vf> all_;
  std::map<std::string, std::string> unhealthy_;
  std::map<std::string, Use> uses_;
  std::map<std::string, std::string> home_;
  TimePoint now_{std::chrono::hours(1)};
};

TEST_CASE("random histories") {
  for (int seed = 1; seed <= kHistories; ++seed) {
    History history(static_cast<std::uint64_t>(seed));
    for (int i = 0; i < kSteps; ++i) {
      INFO("history " << seed << ", step " << i);
      history.step();
    }
  }
}

}  // namespace
}  // namespace sluice::pools
