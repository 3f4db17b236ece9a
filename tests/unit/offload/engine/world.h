// SPDX-License-Identifier: Apache-2.0
// A whole engine on a real loop and a real slow-path thread; the NIC, the kernel and time are
// fakes.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "offload/engine/engine.h"
#include "tests/unit/common/temp_dir.h"
#include "tests/unit/offload/engine/fakes.h"

namespace sluice::engine {

struct World {
  World() {
    loop = std::move(*os::EventLoop::create());
    slow = std::make_unique<slowpath::SlowPath>(slowpath::Options{}, packets, backend, clock, rng,
                                                Logger());
    thread = std::move(*SlowPathThread::create(packets, *slow, [](const Error&) {}));
    REQUIRE(thread->start());
    NodeSettings settings;
    settings.node = "node-a";
    settings.gateway_ip = *Ipv4::parse("169.254.1.1");
    settings.gateway_mac = *MacAddr::parse("0e:53:4c:00:00:01");
    settings.node0_mac = *MacAddr::parse("0e:53:4c:00:00:02");
    settings.uplink_mac = *MacAddr::parse("02:00:00:00:00:01");
    settings.vni = 7;
    settings.masquerade = {0xf000, 0xffff};
    engine = std::make_unique<Engine>(
        settings, Engine::Parts{*loop, clock, backend, *thread, network, hops, devices},
        *Attachments::load(directory / "attachments"), Logger());
  }
  ~World() { thread->stop(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  static std::vector<model::Node> nodes() {
    return {{"node-a", *Ipv4::parse("172.30.0.11"), *Prefix4::parse("10.244.1.0/24")},
            {"node-b", *Ipv4::parse("172.30.0.12"), *Prefix4::parse("10.244.2.0/24")}};
  }
  static AttachSpec vf_pod() {
    return {"c1/eth0",
            "shop/web-0",
            "eth0",
            *MacAddr::parse("0a:58:0a:f4:01:02"),
            *Ipv4::parse("10.244.1.2"),
            "0000:00:01.0",
            ""};
  }
  static AttachSpec veth_pod() {
    return {"c2/eth0",
            "shop/web-2",
            "eth0",
            *MacAddr::parse("0a:58:0a:f4:01:03"),
            *Ipv4::parse("10.244.1.3"),
            "",
            "sl0123456789a"};
  }

  // Runs the loop until `call` has been answered.
  template <class T>
  Result<T> answer(const std::function<void(Engine::Answer<T>)>& call) {
    std::optional<Result<T>> got;
    loop->post([&] {
      call([&](Result<T> result) {
        got = std::move(result);
        loop->stop();
      });
    });
    const auto watchdog = loop->after(std::chrono::seconds(20), [&] { loop->stop(); });
    loop->run();
    loop->cancel(watchdog);
    REQUIRE(got.has_value());
    return std::move(*got);
  }
  Result<model::PortId> attach(const AttachSpec& spec) {
    return answer<model::PortId>([&](auto done) { engine->attach(spec, done); });
  }
  Result<bool> detach(const std::string& id) {
    return answer<bool>([&](auto done) { engine->detach(id, done); });
  }
  // Runs the loop until `condition` holds; false: it never did.
  bool run_until(const std::function<bool()>& condition) {
    bool held = false;
    const auto poll = loop->every(std::chrono::milliseconds(5), [&] {
      held = condition();
      if (held) loop->stop();
    });
    const auto watchdog = loop->after(std::chrono::seconds(20), [&] { loop->stop(); });
    loop->run();
    loop->cancel(poll);
    loop->cancel(watchdog);
    return held;
  }
  EngineStatus status() {
    return *answer<EngineStatus>([&](auto done) { engine->status(done); });
  }

  test::TempDir directory;
  ManualClock clock;
  SeededRng rng{1};
  FakeBackend backend;
  FakeNetwork network;
  FakeNextHops hops;
  FakeDevices devices;
  QuietPackets packets;
  std::unique_ptr<os::EventLoop> loop;
  std::unique_ptr<slowpath::SlowPath> slow;
  std::unique_ptr<SlowPathThread> thread;
  std::unique_ptr<Engine> engine;
};

}  // namespace sluice::engine
