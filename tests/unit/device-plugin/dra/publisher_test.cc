// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/publisher.h"

#include <doctest/doctest.h>

#include <atomic>

#include <nlohmann/json.hpp>

#include "device-plugin/dra/slice_sync.h"
#include "tests/unit/device-plugin/dra/world.h"

namespace sluice::dra {
namespace {

using nlohmann::json;
using test::FakeApi;
using test::Hardware;

std::vector<PoolContent> vf_pools(Hardware& hardware, std::size_t count) {
  return contents_of(test::vfs(hardware, count), "n1", 2).pools;
}

PublisherSettings quick() {
  PublisherSettings settings;
  settings.node = "n1";
  settings.first_retry = settings.last_retry = std::chrono::milliseconds(1);
  settings.resync = std::chrono::hours(1);
  return settings;
}

std::unique_ptr<Publisher> start(FakeApi& api, const PublisherSettings& settings) {
  return Publisher::start(settings, api.factory(), std::make_unique<SeededRng>(1), Logger());
}

std::size_t devices(const FakeApi& api) {
  std::size_t count = 0;
  for (const auto& [name, text] : api.slices())
    count += json::parse(text)["spec"]["devices"].size();
  return count;
}

}  // namespace

TEST_CASE("sync: publishes, owned by the node, and writes nothing twice") {
  FakeApi api;
  Hardware hardware;
  const auto client = *api.factory()();
  SliceSync sync(*client, "n1");
  const auto first = sync.run(vf_pools(hardware, 130));
  REQUIRE(first);
  CHECK(first->slices == 3);
  CHECK(first->writes == 3);
  const auto slice = json::parse(api.slices().at("n1-sluice.dev-0"));
  CHECK(slice.at("/metadata/ownerReferences/0/uid"_json_pointer) == "node-uid");
  CHECK(sync.run(vf_pools(hardware, 130))->writes == 0);
  CHECK(sync.run(vf_pools(hardware, 129))->writes == 1);  // of two slices, one
  CHECK(sync.run(vf_pools(hardware, 128))->slices == 2);
}

TEST_CASE("sync: other nodes' and other drivers' slices are left alone") {
  FakeApi api;
  Hardware hardware;
  const std::string base = "/apis/resource.k8s.io/v1/resourceslices/";
  api.put(base + "a",
          R"({"metadata":{"name":"a"},"spec":{"driver":"sluice.dev","nodeName":"n2"}})");
  api.put(base + "b", R"({"metadata":{"name":"b"},"spec":{"driver":"gpu","nodeName":"n1"}})");
  api.put(base + "c",
          R"({"metadata":{"name":"c"},"spec":{"driver":"sluice.dev","nodeName":"n1"}})");
  const auto client = *api.factory()();
  SliceSync sync(*client, "n1");
  REQUIRE(sync.run(vf_pools(hardware, 2)));
  const auto slices = api.slices();
  CHECK(slices.contains("a"));
  CHECK(slices.contains("b"));
  CHECK(!slices.contains("c"));  // a stale one of ours
}

TEST_CASE("sync: no node yet, no group served") {
  FakeApi api;
  Hardware hardware;
  api.erase("/api/v1/nodes/n1");
  const auto client = *api.factory()();
  SliceSync sync(*client, "n1");
  CHECK(sync.run(vf_pools(hardware, 2)).error().code == Code::kNotFound);
  api.put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1","uid":"x"}})");
  CHECK(sync.run(vf_pools(hardware, 2)));
  FakeApi old;
  old.erase("/apis/resource.k8s.io");
  const auto old_client = *old.factory()();
  CHECK(SliceSync(*old_client, "n1").run({}).error().code == Code::kNotFound);
}

TEST_CASE(
    "publisher: nothing before it is told what, everything after, nothing removed at the end") {
  FakeApi api;
  Hardware hardware;
  {
    const auto publisher = start(api, quick());
    publisher->poke();
    CHECK(publisher->state().rounds == 0);
    publisher->want(vf_pools(hardware, 8));
    CHECK(api.wait([&] { return publisher->state().rounds >= 1; }));
    CHECK(publisher->state().slices == 2);
    CHECK(publisher->state().last_error.empty());
    publisher->want(vf_pools(hardware, 9));
    CHECK(api.wait([&] { return devices(api) == 11; }));
  }
  CHECK(devices(api) == 11);
}

TEST_CASE("publisher: an API server that is away is asked until it is there") {
  FakeApi api;
  Hardware hardware;
  api.fail_with(Error{Code::kUnavailable, Domain::kKube, 503, "away", {}, Retry::kLater});
  const auto publisher = start(api, quick());
  publisher->want(vf_pools(hardware, 8));
  CHECK(api.wait([&] { return api.calls() >= 5; }));
  CHECK(publisher->state().last_error.find("away") != std::string::npos);
  publisher->want(vf_pools(hardware, 7));
  api.fail_with(std::nullopt);
  CHECK(api.wait([&] { return publisher->state().last_error.empty(); }));
  CHECK(devices(api) == 9);
}

TEST_CASE("publisher: a service account that comes late") {
  FakeApi api;
  Hardware hardware;
  std::atomic<int> tries = 0;
  const auto publisher = Publisher::start(
      quick(),
      [&]() -> Result<std::unique_ptr<kube::Client>> {
        if (++tries < 3) return fail(Code::kNotFound, "no token yet");
        return api.factory()();
      },
      std::make_unique<SeededRng>(1), Logger());
  publisher->want(vf_pools(hardware, 1));
  CHECK(api.wait([&] { return publisher->state().rounds >= 1; }));
  CHECK(tries == 3);
}

TEST_CASE("publisher: slices that the kubelet wipes come back, by a poke and by the resync") {
  FakeApi api;
  Hardware hardware;
  const std::string path = "/apis/resource.k8s.io/v1/resourceslices/n1-sluice.dev-0";
  {
    const auto publisher = start(api, quick());
    publisher->want(vf_pools(hardware, 8));
    CHECK(api.wait([&] { return publisher->state().rounds >= 1; }));
    api.erase(path);
    publisher->poke();
    CHECK(api.wait([&] { return api.slices().size() == 2; }));
  }
  auto settings = quick();
  settings.resync = std::chrono::milliseconds(5);
  const auto publisher = start(api, settings);
  publisher->want(vf_pools(hardware, 8));
  CHECK(api.wait([&] { return publisher->state().rounds >= 1; }));
  api.erase(path);
  CHECK(api.wait([&] { return api.slices().size() == 2; }));
}

TEST_CASE("publisher: somebody writes in between, and it is read again at once") {
  FakeApi api;
  Hardware hardware;
  auto settings = quick();
  settings.first_retry = settings.last_retry =
      std::chrono::hours(1);  // no second chance by waiting
  const auto publisher = start(api, settings);
  publisher->want(vf_pools(hardware, 8));
  CHECK(api.wait([&] { return publisher->state().rounds >= 1; }));
  auto once = std::make_shared<std::atomic<bool>>(true);
  api.before_write([&api, once] {
    if (!once->exchange(false)) return;
    const std::string name = "n1-sluice.dev-0";
    api.put("/apis/resource.k8s.io/v1/resourceslices/" + name, api.slices().at(name));
  });
  publisher->want(vf_pools(hardware, 5));
  CHECK(api.wait([&] { return devices(api) == 7; }));
  CHECK(publisher->state().last_error.empty());
}

}  // namespace sluice::dra
