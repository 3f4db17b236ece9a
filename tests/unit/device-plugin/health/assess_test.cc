// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "device-plugin/health/health.h"
#include "device-plugin/metrics/metrics.h"

namespace sluice::health {
namespace {

using pools::Candidate;

nic::Netdev netdev(const std::string& name, bool carrier) {
  nic::Netdev out;
  out.name = name;
  out.carrier = carrier;
  return out;
}

nic::RdmaDevice rdma(const std::string& name, const std::vector<std::string>& states,
                     const std::string& link_layer = "InfiniBand") {
  nic::RdmaDevice out;
  out.name = name;
  for (const auto& state : states) {
    nic::RdmaDevice::Port port;
    port.number = static_cast<std::uint16_t>(out.ports.size() + 1);
    port.state = state;
    port.link_layer = link_layer;
    out.ports.push_back(port);
  }
  return out;
}

struct Setup {
  Setup() {
    pf.netdev = netdev("p0", true);
    vf.driver = "mlx5_core";
  }
  Candidate candidate() const { return {Candidate::Kind::kVf, "vf", &vf, nullptr, &pf, 0}; }
  nic::Pf pf;
  nic::Vf vf;
  config::HealthPolicy policy;
};

TEST_CASE("Reasons, what turns them off, and their classes") {
  struct Row {
    std::string name;
    std::function<void(Setup&)> change;
    std::string reason;  // "": well
    std::function<void(config::HealthPolicy&)> turn_off;
    metrics::Reason reason_class = metrics::Reason::kOther;
  };
  const auto driver_off = [](config::HealthPolicy& policy) { policy.driver = false; };
  const auto carrier_off = [](config::HealthPolicy& policy) { policy.carrier = false; };
  const auto rdma_off = [](config::HealthPolicy& policy) { policy.rdma = false; };
  const std::vector<Row> rows = {
      {"as it should be", [](Setup&) {}, "", {}},
      {"in a pod: no netdev", [](Setup& s) { s.vf.netdev.reset(); }, "", {}},
      {"own netdev down: nobody has it yet",
       [](Setup& s) { s.vf.netdev = netdev("v0", false); },
       "",
       {}},
      {"no driver", [](Setup& s) { s.vf.driver = ""; }, "no driver is bound", driver_off,
       metrics::Reason::kDriver},
      {"cable out", [](Setup& s) { s.pf.netdev->carrier = false; }, "PF p0 has no carrier",
       carrier_off, metrics::Reason::kCarrier},
      {"PF not to be seen", [](Setup& s) { s.pf.netdev.reset(); }, "", {}},
      {"two ports on the PF, one up",
       [](Setup& s) {
         s.pf.netdev->carrier = false;
         s.pf.more_netdevs = {netdev("p1", true)};
       },
       "",
       {}},
      {"RDMA port down", [](Setup& s) { s.vf.rdma = {rdma("mlx5_2", {"DOWN"})}; },
       "RDMA port mlx5_2/1 is DOWN", rdma_off, metrics::Reason::kRdma},
      {"one of two ports is enough",
       [](Setup& s) {
         s.vf.rdma = {rdma("mlx5_2", {"DOWN", "ACTIVE"})};
       },
       "",
       {}},
      {"one of two devices is enough",
       [](Setup& s) {
         s.vf.rdma = {rdma("a", {"INIT"}), rdma("b", {"ACTIVE"})};
       },
       "",
       {}},
      {"two devices, none active: the first",
       [](Setup& s) {
         s.vf.rdma = {rdma("a", {"INIT"}), rdma("b", {"DOWN"})};
       },
       "RDMA port a/1 is INIT", rdma_off, metrics::Reason::kRdma},
      {"a state that nobody knows", [](Setup& s) { s.vf.rdma = {rdma("a", {""})}; }, "", {}},
      {"RoCE with its netdev down",
       [](Setup& s) { s.vf.rdma = {rdma("a", {"DOWN"}, "Ethernet")}; },
       "",
       {}},
      {"RoCE with its netdev up",
       [](Setup& s) {
         s.vf.rdma = {rdma("a", {"DOWN"}, "Ethernet")};
         s.vf.netdev = netdev("v0", true);
       },
       "RDMA port a/1 is DOWN", rdma_off, metrics::Reason::kRdma},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    Setup setup;
    row.change(setup);
    CHECK(assess(setup.candidate(), setup.policy).value_or("") == row.reason);
    if (!row.reason.empty()) {
      CHECK(metrics::reason_class(row.reason) == row.reason_class);
      row.turn_off(setup.policy);
      CHECK_FALSE(assess(setup.candidate(), setup.policy));
      setup.policy = {};
    }
    setup.policy.enabled = false;
    CHECK_FALSE(assess(setup.candidate(), setup.policy));
  }
}

TEST_CASE("A PF that is offered itself may be down; an SF hangs on its PF's carrier") {
  Setup setup;
  setup.pf.driver = "mlx5_core";
  setup.pf.netdev->carrier = false;
  const Candidate pf{Candidate::Kind::kPf, "pf", &setup.pf, nullptr, &setup.pf, {}};
  CHECK_FALSE(assess(pf, setup.policy));
  nic::Sf sf;
  const Candidate sub{Candidate::Kind::kSf, "sf", &setup.pf, &sf, &setup.pf, 4};
  CHECK(assess(sub, setup.policy) == "no driver is bound");
  sf.driver = "mlx5_core.sf";
  CHECK(assess(sub, setup.policy) == "PF p0 has no carrier");
  const Candidate accelerator{Candidate::Kind::kAccelerator, "a", &setup.vf, nullptr, nullptr, {}};
  CHECK_FALSE(assess(accelerator, setup.policy));
}

}  // namespace
}  // namespace sluice::health
