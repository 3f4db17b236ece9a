// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/main/options.h"

#include <CLI/CLI.hpp>

namespace sluice::plugin {
namespace {

struct Seconds {
  double rescan = 15, down = 2, up = 5;
};

Duration seconds(double value) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}

template <class T>
CLI::Option* add(CLI::App& app, const char* flags, T& value, const char* help,
                 const char* variable) {
  return app.add_option(flags, value, help)->envname(variable)->capture_default_str();
}

void add_places(CLI::App& app, Options& options, std::string& prefix) {
  auto& broker = options.broker;
  add(app, "--config,--config-file", broker.config,
      "pools, in Sluice's form or in sriov-network-device-plugin's; without it, pool 'vf' has "
      "every "
      "VF",
      "SLUICE_CONFIG");
  add(app, "--resource-prefix", prefix,
      "of the resources that name none (default: sluice.dev; in the other form intel.com)",
      "SLUICE_RESOURCE_PREFIX");
  add(app, "--kubelet-dir", broker.kubelet_dir, "the kubelet's root directory",
      "SLUICE_KUBELET_DIR");
  add(app, "--sysfs-root", broker.sysfs_root, "where the NIC inventory is read",
      "SLUICE_SYSFS_ROOT");
  add(app, "--dev-root", broker.dev_root, "where character devices are looked for",
      "SLUICE_DEV_ROOT");
  add(app, "--proc-root", broker.proc_root, "where GPU drivers are asked", "SLUICE_PROC_ROOT");
  add(app, "--state-dir", broker.state_dir, "what is known of claims", "SLUICE_STATE_DIR");
  add(app, "--run-dir", broker.run_dir,
      "sockets, and what each VF was like at first; should not outlive a reboot", "SLUICE_RUN_DIR");
  add(app, "--cdi-dir", broker.cdi_dir, "where CDI specifications go", "SLUICE_CDI_DIR");
  add(app, "--devinfo-dir", broker.devinfo_dir, "where device-info files go", "SLUICE_DEVINFO_DIR");
}

void add_behaviour(CLI::App& app, Options& options, Seconds& times) {
  const auto positive = CLI::Range(0.0, 3600.0);
  app.add_flag("--use-cdi", options.broker.use_cdi,
               "device nodes by CDI specifications instead of in the kubelet's answer")
      ->envname("SLUICE_USE_CDI");
  add(app, "--registration", options.registration,
      "how the kubelet hears of pools: register, watcher, or auto", "SLUICE_REGISTRATION")
      ->check(CLI::IsMember({"auto", "register", "watcher"}));
  add(app, "--dra", options.dra,
      "Dynamic Resource Allocation: on, off, or auto (on where there are credentials)",
      "SLUICE_DRA")
      ->check(CLI::IsMember({"auto", "on", "off"}));
  add(app, "--node-name", options.node, "this node (default: the host's name)", "SLUICE_NODE_NAME");
  add(app, "--kubeconfig", options.kubeconfig,
      "credentials for DRA (default: the pod's service account)", "SLUICE_KUBECONFIG");
  add(app, "--metrics-address", options.metrics_address,
      "serve /metrics, /healthz and /readyz on <address>:<port>", "SLUICE_METRICS_ADDRESS");
  add(app, "--cni-stats-file", options.cni_stats_file,
      "what sluice-cni counted, served with the metrics; empty: nothing of it",
      "SLUICE_CNI_STATS_FILE");
  add(app, "--rescan-seconds", times.rescan, "between two looks without a reason",
      "SLUICE_RESCAN_SECONDS")
      ->check(CLI::Range(0.1, 3600.0));
  add(app, "--health-down-seconds", times.down, "a device is ill for so long before it counts",
      "SLUICE_HEALTH_DOWN_SECONDS")
      ->check(positive);
  add(app, "--health-up-seconds", times.up, "a device is well for so long before it counts",
      "SLUICE_HEALTH_UP_SECONDS")
      ->check(positive);
  add(app, "--log-level", options.log_level, "debug, info, warn or error", "SLUICE_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  app.add_flag("--log-json", options.log_json, "one JSON object a line")
      ->envname("SLUICE_LOG_JSON");
}

void add_checking(CLI::App& app, Options& options) {
  app.add_flag("--check-config", options.check_config,
               "say which pool takes which device and why not the others, and end");
  app.add_option("--inventory", options.inventory,
                 "with --check-config: a saved inventory instead of this machine's");
  app.add_option("--save-inventory", options.save_inventory,
                 "write this machine's inventory to a file, and end");
}

}  // namespace

Parsed parse_options(int argc, char** argv) {
  Parsed parsed;
  auto& options = parsed.options;
  Seconds times;
  std::string prefix;
  CLI::App app{"Offers a node's VFs, PFs and subfunctions to the kubelet"};
  add_places(app, options, prefix);
  add_behaviour(app, options, times);
  add_checking(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    parsed.exit = app.exit(error);
    return parsed;
  }
  if (!prefix.empty()) options.broker.default_prefix = prefix;
  options.broker.rescan = seconds(times.rescan);
  options.broker.down_after = seconds(times.down);
  options.broker.up_after = seconds(times.up);
  return parsed;
}

}  // namespace sluice::plugin
