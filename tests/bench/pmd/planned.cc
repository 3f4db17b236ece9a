// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/pmd/planned.h"

#include "common/base/clock.h"
#include "offload/backends/rteflow/backend.h"
#include "offload/backends/rteflow/find_ports.h"
#include "offload/planner/plan.h"
#include "offload/slowpath/slow_path.h"
#include "tests/bench/pmd/traffic.h"

namespace sluice::bench {
namespace {

// What the slow path forwards itself is of no interest here.
class Nowhere final : public slowpath::PacketPort {
 public:
  void send(model::PortId, std::span<const std::uint8_t>) override {}
};

// One node: the client on VF 0, the backends as veth pods, a service for each destination.
model::Intent intent() {
  model::Intent intent;
  intent.self = "bench";
  intent.gateway_ip = Ipv4{0xa9fe0101};
  intent.gateway_mac = kGateway;
  intent.node0_mac = MacAddr{{2, 0, 0, 0, 0, 3}};
  intent.uplink_mac = MacAddr{{2, 0, 0, 0, 0, 4}};
  intent.vni = 1;
  intent.masquerade = {0xf000, 0xffff};
  intent.nodes = {{"bench", Ipv4{0xac1e000b}, Prefix4{Ipv4{0x0a000000}, 12}}};
  intent.attachments.push_back(
      {"client", "bench/client", "eth0", model::PortId::vf(0), kSource, kClient, "vf0"});
  for (std::uint32_t i = 0; i < kBackends; ++i) {
    const auto low = static_cast<std::uint8_t>(i);
    const std::string name = "backend-" + std::to_string(1000 + i);
    intent.attachments.push_back({name, "bench/" + name, "eth0", model::PortId::host(),
                                  MacAddr{{2, 0, 0, 0, 1, low}}, Ipv4{kBackend.value + i}, name});
  }
  for (std::uint32_t i = 0; i < kDestinations; ++i) {
    model::Service service;
    service.name = "bench/service-" + std::to_string(10000 + i);
    service.cluster_ip = Ipv4{kService.value + i};
    model::ServicePort port;
    port.proto = model::Proto::kUdp;
    port.port = kServicePort;
    port.endpoints.push_back({Ipv4{kBackend.value + i % kBackends}, kBackendPort, "bench"});
    service.ports.push_back(port);
    intent.services.push_back(service);
  }
  return intent;
}

class PlannedRules final : public Planned {
 public:
  PlannedRules(rteflow::EthPorts ports, const std::string& device)
      : backend_(std::move(ports), model::Capabilities{"rteflow", device, 1, true, true, true}, {},
                 Logger()),
        slow_path_({}, nowhere_, backend_, clock_, rng_, Logger()) {}

  Status start() {
    const auto wanted = std::make_shared<const model::Intent>(intent());
    SLUICE_TRY(const auto refused, backend_.apply(model::diff({}, planner::plan(*wanted))));
    if (!refused.empty()) {
      return fail(Code::kInternal,
                  "refused: " + refused.front().rule.to_string() + ": " + refused.front().reason);
    }
    SLUICE_CHECK_OK(slow_path_.set_intent(wanted));
    for (std::uint32_t i = 0; i < kDestinations; ++i) {
      for (int again = 0; again < 2; ++again) {
        auto frame = packet(i);
        slow_path_.receive(model::PortId::vf(0), model::meta::kLocal, frame);
      }
    }
    if (slow_path_.promoted_count() == kDestinations) return {};
    return fail(Code::kInternal, std::to_string(slow_path_.promoted_count()) + " of " +
                                     std::to_string(kDestinations) + " connections promoted");
  }

 private:
  ManualClock clock_;
  SeededRng rng_{1};
  Nowhere nowhere_;
  rteflow::Backend backend_;
  slowpath::SlowPath slow_path_;
};

}  // namespace

Result<std::unique_ptr<Planned>> Planned::install(const std::string& device) {
  SLUICE_TRY(auto ports, rteflow::find_ports(device));
  auto rules = std::make_unique<PlannedRules>(std::move(ports), device);
  SLUICE_CHECK_OK(rules->start());
  return std::unique_ptr<Planned>(std::move(rules));
}

}  // namespace sluice::bench
