// SPDX-License-Identifier: Apache-2.0
#include "offload/main/flags.h"

#include <CLI/CLI.hpp>

namespace sluice::offloadd {

std::optional<Flags> parse_flags(int argc, char** argv, int& exit_code) {
  CLI::App app{"The Sluice offload engine: services and ports in, flows of the NIC's eswitch out"};
  Flags f;
  app.add_option("--node", f.node, "This node's name, as the manifest has it")
      ->envname("SLUICE_NODE")
      ->required();
  app.add_option("--manifest", f.manifest,
                 "Kubernetes manifest to watch: Nodes, Services, EndpointSlices")
      ->envname("SLUICE_MANIFEST")
      ->required();
  app.add_option("--nic", f.nic, "auto, or soft: the software NIC, whatever hardware there is")
      ->envname("SLUICE_NIC")
      ->check(CLI::IsMember({"auto", "soft"}))
      ->capture_default_str();
  app.add_option("--uplink", f.uplink, "The netdev that leads to the other nodes")
      ->envname("SLUICE_UPLINK")
      ->capture_default_str();
  app.add_option("--vfs", f.vfs, "VFs of the software NIC (stock DPDK has 32 ports: 30 VFs)")
      ->envname("SLUICE_VFS")
      ->check(CLI::Range(1, 30))
      ->capture_default_str();
  app.add_option("--run-dir", f.run_dir, "Sockets, the simulated sysfs tree, what a restart needs")
      ->envname("SLUICE_RUN_DIR")
      ->capture_default_str();
  app.add_option("--rep-netns", f.rep_netns, "Namespace file of the software NIC's representors")
      ->envname("SLUICE_REP_NETNS")
      ->capture_default_str();
  app.add_option("--bridge", f.bridge, "The bridge that veth pods are plugged into")
      ->envname("SLUICE_BRIDGE")
      ->capture_default_str();
  app.add_option("--vni", f.vni, "VXLAN network identifier of the pod network")
      ->envname("SLUICE_VNI")
      ->check(CLI::Range(1, 0xffffff))
      ->capture_default_str();
  app.add_option("--gateway-ip", f.gateway_ip, "Every pod's default gateway")
      ->envname("SLUICE_GATEWAY_IP")
      ->capture_default_str();
  app.add_option("--rules", f.rules, "How many flows the software NIC has room for from the start")
      ->check(CLI::Range(1024, 1 << 24))
      ->capture_default_str();
  app.add_flag(
      "--remove-on-exit", f.remove_on_exit,
      "On SIGTERM take the simulated NIC and the bridge away (pods lose their interfaces)");
  app.add_flag("--hugepages,!--no-hugepages", f.hugepages,
               "Use hugepages if the node has free ones");
  app.add_option("--log-level", f.log_level, "debug, info, warn, error")
      ->envname("SLUICE_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_flag("--log-json", f.log_json, "Log lines as JSON")->envname("SLUICE_LOG_JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error);
    return std::nullopt;
  }
  return f;
}

}  // namespace sluice::offloadd
