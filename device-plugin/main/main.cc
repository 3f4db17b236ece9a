// SPDX-License-Identifier: Apache-2.0
// sluice-device-plugin: offers VFs to the kubelet. Flags and wiring only.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>

#include <CLI/CLI.hpp>

#include "common/base/log.h"
#include "common/os/event_loop.h"
#include "common/os/files.h"
#include "device-plugin/kubelet/plugin_manager.h"
#include "device-plugin/pools/pool_set.h"
#include "device-plugin/pools/scanner.h"

namespace sluice {
namespace {

struct Options {
  std::string sysfs_root = "/sys";
  std::string kubelet_dir = "/var/lib/kubelet";
  std::string config;
  std::string resource_prefix = "sluice.dev";
  unsigned rescan_seconds = 5;
  std::string log_level = "info";
  bool log_json = false;
};

void add_options(CLI::App& app, Options& options) {
  const auto add = [&](const char* flag, auto& value, const char* help, const char* variable) {
    return app.add_option(flag, value, help)->envname(variable)->capture_default_str();
  };
  add("--sysfs-root", options.sysfs_root, "where the NIC inventory is read", "SLUICE_SYSFS_ROOT");
  add("--kubelet-dir", options.kubelet_dir, "the kubelet's root directory", "SLUICE_KUBELET_DIR");
  add("--config", options.config, "pools as JSON; without it, pool 'vf' has every VF",
      "SLUICE_CONFIG");
  add("--resource-prefix", options.resource_prefix, "of the resources' names",
      "SLUICE_RESOURCE_PREFIX");
  add("--rescan-seconds", options.rescan_seconds, "between two looks at the inventory",
      "SLUICE_RESCAN_SECONDS")
      ->check(CLI::Range(1U, 3600U));
  add("--log-level", options.log_level, "debug, info, warn or error", "SLUICE_LOG_LEVEL");
  app.add_flag("--log-json", options.log_json, "one JSON object a line")
      ->envname("SLUICE_LOG_JSON");
}

Result<std::vector<pools::PoolConfig>> load_pools(const Options& options) {
  SLUICE_CHECK_OK(pools::check_resource_prefix(options.resource_prefix));
  if (options.config.empty()) return pools::default_pools();
  SLUICE_TRY(const auto text, os::read_file(options.config, std::size_t{1} << 20U));
  auto parsed = pools::parse_config(text);
  if (!parsed) return fail(std::move(parsed).error().with("reading " + options.config));
  return parsed;
}

Status serve(const Options& options, const Logger& log) {
  SLUICE_TRY(auto configs, load_pools(options));
  SLUICE_TRY(const auto loop, os::EventLoop::create());
  SLUICE_CHECK_OK(loop->on_signals({SIGTERM, SIGINT, SIGQUIT}, [&](int signal) {
    log.info("stopping", {{"signal", signal}});
    loop->stop();
  }));
  std::vector<kubelet::PluginName> names;
  for (const auto& config : configs) {
    names.push_back({config.name, options.resource_prefix + "/" + config.name});
  }
  const Duration period = std::chrono::seconds(options.rescan_seconds);
  pools::PoolSet set(std::move(configs));
  kubelet::PluginManager manager(*loop, options.kubelet_dir + "/device-plugins", std::move(names),
                                 period, log.named("kubelet"));
  pools::Scanner scanner(
      *loop, options.sysfs_root, period,
      [&](const nic::Inventory& inventory) {
        if (!set.update(inventory)) return;
        for (const auto& config : set.configs()) {
          auto devices = set.devices(config.name);
          log.named("pools").info("devices", {{"pool", config.name}, {"count", devices.size()}});
          manager.publish(config.name, std::move(devices));
        }
      },
      log.named("scanner"));
  scanner.scan();
  manager.start();
  loop->run();
  return {};
}

int run(int argc, char** argv) {
  // Nothing forks here; gRPC's handlers for it only cost.
  ::setenv("GRPC_ENABLE_FORK_SUPPORT", "false", 1);
  Options options;
  CLI::App app{"Offers virtual functions to the kubelet"};
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  const auto level = parse_level(options.log_level);
  if (!level) {
    std::cerr << "--log-level: " << level.error().to_string() << "\n";
    return 2;
  }
  const Logger log(make_fd_sink(STDERR_FILENO, *level, options.log_json), "main");
  const auto status = serve(options, log);
  if (status) return 0;
  log.error("can't go on", {{"error", status.error()}});
  return 1;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  try {
    return sluice::run(argc, argv);
  } catch (const std::exception& error) {  // CLI11's and the standard library's
    std::cerr << "sluice-device-plugin: " << error.what() << "\n";
    return 1;
  }
}
