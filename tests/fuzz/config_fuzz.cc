// SPDX-License-Identifier: Apache-2.0
// Any bytes as a device plugin's configuration, and as a saved inventory: errors that say
// something, or values that everything behind them can work with. A byte of zero parts the two.
// fuzz-deps: sluice_pools
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "common/nic/inventory_json.h"
#include "device-plugin/config/config.h"
#include "device-plugin/pools/explain.h"
#include "device-plugin/pools/pool_set.h"

namespace {

using namespace sluice;

void require(bool holds) {
  if (!holds) std::abort();
}

// Some of everything, for configurations that come without an inventory.
constexpr std::string_view kInventory = R"({"pfs":[
  {"address":"3b:00.0","vendor":5555,"device":4119,"classCode":131072,"driver":"mlx5_core",
   "netdev":{"name":"p0"},"sriov":true,"totalVfs":8,"numVfs":2,
   "vfs":[{"address":"3b:00.2","vendor":5555,"driver":"mlx5_core","rdma":[{"name":"mlx5_1"}]},
          {"address":"3b:00.3","index":1,"vendor":5555,"driver":"vfio-pci"}],
   "sfs":[{"name":"mlx5_core.sf.4","number":88,"driver":"mlx5_core.sf"}]},
  {"address":"5e:00.0","netdev":{"name":"ib0","type":32},"driver":"ib"}],
  "accelerators":[{"address":"81:00.0","driver":"vfio-pci","classCode":1179648}]})";

void check_config(const config::Config& config) {
  require(config.pools.size() <= config::kMaxPools);
  std::set<std::string> names;
  for (const auto& pool : config.pools) {
    require(names.insert(pool.resource()).second);
    require(!pool.selectors.empty() && pool.name.size() <= 63);
    require(config::check_resource_prefix(pool.prefix).has_value());
  }
  for (const auto& refused : config.refused) require(!refused.reason.empty());
  for (const auto& warning : config.warnings) require(!warning.what.empty());
}

void check_pools(const config::Config& config, const nic::Inventory& inventory) {
  const auto text = pools::explain(config, inventory, {});
  pools::PoolSet set(config);
  pools::Snapshot snapshot;
  snapshot.inventory = std::make_shared<const nic::Inventory>(inventory);
  const TimePoint now{};
  set.update(snapshot, now);
  require(!set.update(snapshot, now));
  std::set<std::string> listed;
  for (const auto& pool : set.pools()) {
    for (const auto& member : pool.members) {
      require(listed.insert(member.device.id).second);
      require(member.device.healthy && member.selector < pool.config.selectors.size());
      const auto& id = member.device.id;
      const bool plain =
          std::all_of(id.begin(), id.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
      require(!plain || text.find(id) != std::string::npos);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto zero = std::min(all.find('\0'), size);
  const auto second = all.substr(std::min(zero + 1, size));
  const auto config = config::parse_config(all.substr(0, zero));
  const auto inventory = nic::inventory_from_json(second.empty() ? kInventory : second);
  if (!config) require(!config.error().message.empty() && config.error().message.size() < 2000);
  if (!inventory) require(!inventory.error().message.empty());
  if (inventory) {
    const auto written = nic::to_json(*inventory);
    const auto again = nic::inventory_from_json(written);
    // What is no UTF-8 can't have got in.
    require(again.has_value() && nic::to_json(*again) == written);
  }
  if (config) check_config(*config);
  if (config && inventory) check_pools(*config, *inventory);
  return 0;
}
