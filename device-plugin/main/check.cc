// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/main/check.h"

#include <iostream>

#include "common/nic/inventory_json.h"
#include "common/nic/uplink.h"
#include "common/os/files.h"
#include "device-plugin/config/config.h"
#include "device-plugin/pools/explain.h"

namespace sluice::plugin {
namespace {

Result<nic::Inventory> read_here(const Options& options) {
  SLUICE_TRY(const auto sysfs, os::Root::open(options.broker.sysfs_root));
  return nic::read_inventory(sysfs, {options.broker.dev_root});
}

Result<nic::Inventory> read_saved(const std::string& path) {
  SLUICE_TRY(const auto text, os::read_file(path));
  auto inventory = nic::inventory_from_json(text);
  if (!inventory) return fail(std::move(inventory).error().with("reading " + path));
  return inventory;
}

Result<config::Config> read_config(const Options& options) {
  if (options.broker.config.empty()) {
    return config::default_config(options.broker.default_prefix.value_or("sluice.dev"));
  }
  SLUICE_TRY(const auto text, os::read_file(options.broker.config, config::kMaxConfigBytes));
  auto config = config::parse_config(text, options.broker.default_prefix);
  if (!config) return fail(std::move(config).error().with("reading " + options.broker.config));
  return config;
}

int complain(const Error& error) {
  std::cerr << "sluice-device-plugin: " << error.to_string() << "\n";
  return 1;
}

}  // namespace

int check_config(const Options& options) {
  const auto config = read_config(options);
  if (!config) return complain(config.error());
  // A saved inventory is of another time or node: its uplinks are not this one's.
  const bool saved = !options.inventory.empty();
  const auto inventory = saved ? read_saved(options.inventory) : read_here(options);
  if (!inventory) return complain(inventory.error());
  nic::Uplinks uplinks;
  if (!saved) {
    auto rtnl = netlink::Rtnl::open();
    auto found = rtnl ? nic::node_uplinks(*rtnl) : Result<nic::Uplinks>(fail(rtnl.error()));
    if (!found)
      std::cerr << "the node's uplinks are unknown: " << found.error().to_string() << "\n";
    if (found) uplinks = std::move(*found);
  }
  std::cout << pools::explain(*config, *inventory, uplinks);
  return config->refused.empty() ? 0 : 1;
}

int save_inventory(const Options& options) {
  const auto inventory = read_here(options);
  if (!inventory) return complain(inventory.error());
  const auto written =
      os::write_file_atomic(options.save_inventory, nic::to_json(*inventory) + "\n");
  if (!written) return complain(written.error());
  std::cout << options.save_inventory << ": " << inventory->pfs.size() << " PFs\n";
  return 0;
}

}  // namespace sluice::plugin
