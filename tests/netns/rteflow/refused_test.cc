// SPDX-License-Identifier: Apache-2.0
// EAL and the backend over a driver without flows (net_null): every refusal is told in its words.
#include <doctest/doctest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "offload/backends/rteflow/backend.h"
#include "offload/backends/rteflow/device.h"
#include "offload/backends/rteflow/eal.h"

using namespace sluice;
using namespace sluice::rteflow;

namespace {

// What this process's EAL keeps on the file system; others may run beside it.
bool runtime_directory_exists() {
  return ::access(("/var/run/dpdk/sluice-" + std::to_string(::getpid())).c_str(), F_OK) == 0;
}

int processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  REQUIRE(::sched_getaffinity(0, sizeof set, &set) == 0);
  return CPU_COUNT(&set);
}

EthPorts null_ports() {
  return EthPorts{0, "net_null0", {{model::PortId::uplink(), 0}, {model::PortId::vf(0), 0}}};
}

model::Rule drop_all() {
  model::Rule rule;
  rule.stage = model::Stage::kForward;
  rule.priority = 1000;
  rule.actions = {model::Count{}, model::Drop{}};
  rule.owner = "node/a";
  return rule;
}

}  // namespace

// One case: EAL starts once in this process.
TEST_CASE("EAL, and a driver that refuses every rule") {
  CHECK(dpdk_version().find("DPDK") != std::string::npos);
  const int cpus = processors();
  const auto started = start_eal({false, {}}, Logger());
  REQUIRE_MESSAGE(started, (started ? "" : started.error().to_string()));
  CHECK(processors() == cpus);  // not pinned
  CHECK_FALSE(runtime_directory_exists());

  const auto again = start_eal({false, {}}, Logger());
  REQUIRE_FALSE(again);
  CHECK(again.error().domain == Domain::kDpdk);
  CHECK(again.error().to_string().find("once") != std::string::npos);

  const auto unknown = add_vdev("net_nosuchdriver0", "");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().domain == Domain::kDpdk);
  CHECK(unknown.error().message.find("net_nosuchdriver0") != std::string::npos);

  REQUIRE(add_vdev("net_null0", ""));
  CHECK_FALSE(add_vdev("net_null0", ""));

  const auto device = Device::open("net_null0", Logger());
  REQUIRE_FALSE(device);
  CHECK(device.error().domain == Domain::kDpdk);
  const auto missing = Device::open("net_esw7", Logger());
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Code::kNotFound);

  {
    Backend backend(null_ports(), {}, {}, Logger());
    CHECK_FALSE(backend.capabilities().vxlan);
    CHECK_FALSE(backend.capabilities().rewrite);
    CHECK_FALSE(backend.capabilities().count);

    model::Rule unmappable = drop_all();
    unmappable.match.in_port = model::PortId::vf(9);
    const auto refused = backend.apply({{}, {drop_all(), unmappable}, {}});
    REQUIRE(refused);
    REQUIRE(refused->size() == 2);
    CHECK(refused->at(0).tier == model::Tier::kRefused);
    CHECK(refused->at(0).reason.size() > 5);
    CHECK(refused->at(1).reason.find("no port vf9") != std::string::npos);
    const auto dump = backend.dump();
    REQUIRE(dump);
    CHECK(dump->size() == 2);
    CHECK(std::all_of(dump->begin(), dump->end(),
                      [](const auto& s) { return s.tier == model::Tier::kRefused; }));

    model::Rule other = drop_all();
    other.actions = {model::Punt{}};
    CHECK(backend.apply({{}, {}, {{drop_all(), other}}})->size() == 1);
    CHECK(backend.apply({{other, unmappable}, {}, {}})->empty());
    CHECK(backend.dump()->empty());

    const auto flow = backend.install(drop_all());
    REQUIRE_FALSE(flow);
    CHECK(flow.error().domain == Domain::kDpdk);
    CHECK(backend.remove(0).error().code == Code::kNotFound);
    CHECK(backend.query(1).error().code == Code::kNotFound);
  }
  ThreadRegistration registration;
  CHECK(registration.enter());
  registration.leave();
  REQUIRE(remove_vdev("net_null0"));
  CHECK_FALSE(remove_vdev("net_null0"));
  stop_eal();
  CHECK_FALSE(runtime_directory_exists());
}
