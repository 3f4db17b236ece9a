// SPDX-License-Identifier: Apache-2.0
// All of it together: a real API server's HTTPS, a kubelet's calls, a restart.
#include "device-plugin/dra/front.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "common/litegrpc/call.h"
#include "device-plugin/dra/kubelet_dra.pb.h"
#include "tests/support/fake_api_server/certificates.h"
#include "tests/support/fake_api_server/fake_api_server.h"
#include "tests/unit/common/temp_dir.h"
#include "tests/unit/device-plugin/dra/world.h"

namespace sluice::dra {
namespace {

using nlohmann::json;

const ClaimRef kNet{"shop", "uid-net", "net"};
const char* const kSlice = "/apis/resource.k8s.io/v1/resourceslices/n1-sluice.dev-0";

struct World {
  World() {
    const auto ca = sluice::test::make_authority(dir.path(), "ca");
    const auto pair = sluice::test::make_certificate(dir.path(), "server", ca);
    api = sluice::test::FakeApiServer::start({pair.certificate, pair.key, ""});
    api->put("/apis/resource.k8s.io", R"({"versions":[{"version":"v1"}]})");
    api->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1","uid":"node-uid"}})");
    api->put("/apis/resource.k8s.io/v1/namespaces/shop/resourceclaims/net",
             test::claim_json(kNet, {{"net", "n1", "0000-08-00-0"}}));
    dir.file("kubeconfig",
             "current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
             "users: [{name: a, user: {token: sesame}}]\n"
             "clusters: [{name: a, cluster: {server: '" +
                 api->url() + "', certificate-authority: ca.crt}}]\n");
    loop = *os::EventLoop::create();
    source.list = test::vfs(hardware, 4);
    source.ports = 2;
    make();
  }

  void make() {
    Front::Settings settings;
    settings.node = "n1";
    settings.kubelet_dir = dir / "kubelet";
    settings.kubeconfig = dir / "kubeconfig";
    settings.state_dir = dir / "state";
    settings.cdi_dir = dir / "cdi";
    auto made = Front::make(*loop, settings, source, Logger());
    REQUIRE(made);
    front = *std::move(made);
  }

  wire::PreparedClaim prepare() {
    wire::PrepareRequest request;
    auto* claim = request.add_claims();
    claim->set_namespace_(kNet.space);
    claim->set_uid(kNet.uid);
    claim->set_name(kNet.name);
    Result<std::string> answer = fail(Code::kInternal, "no answer");
    const auto call = litegrpc::Call::start(
        *loop, dir / "kubelet/plugins/sluice.dev/dra.sock",
        "/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/NodePrepareResources",
        request.SerializeAsString(), std::chrono::seconds(40), [&](Result<std::string> got) {
          answer = std::move(got);
          loop->stop();
        });
    loop->run();
    REQUIRE(answer);
    wire::PrepareResponse response;
    REQUIRE(response.ParseFromString(*answer));
    return response.claims().at(kNet.uid);
  }

  // Runs the loop until it holds, or half a minute has passed.
  bool until(const std::function<bool()>& holds) {
    bool held = false;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    const auto timer = loop->every(std::chrono::milliseconds(2), [&] {
      held = holds();
      if (held || std::chrono::steady_clock::now() > end) loop->stop();
    });
    loop->run();
    loop->cancel(timer);
    return held;
  }
  std::size_t published(const std::string& slice = kSlice) const {
    const auto objects = api->objects();
    const auto found = objects.find(slice);
    return found == objects.end() ? 0 : json::parse(found->second)["spec"]["devices"].size();
  }

  sluice::test::TempDir dir;
  std::unique_ptr<sluice::test::FakeApiServer> api;
  test::Hardware hardware;
  test::FakeSource source;
  std::unique_ptr<os::EventLoop> loop;
  std::unique_ptr<Front> front;
};

}  // namespace

TEST_CASE("front: publishes what is offered, prepares what is claimed, survives a restart") {
  World world;
  CHECK(world.front->state().slices == 0);
  world.front->changed();
  CHECK(world.until([&] { return world.front->state().slices == 2; }));
  CHECK(world.published() == 4);
  CHECK(world.front->state().last_error.empty());

  const auto prepared = world.prepare();
  CHECK(prepared.error().empty());
  REQUIRE(prepared.devices_size() == 1);
  CHECK(world.front->state().prepared == 1);
  CHECK(world.front->uses().contains("0000:08:00.0"));

  world.source.list[2].unhealthy = "no carrier";
  world.front->changed();
  CHECK(world.until([&] { return world.published() == 3; }));

  world.front.reset();
  CHECK(world.published() == 3);  // the node keeps what it has
  world.source.holder.clear();
  world.make();
  CHECK(world.front->uses().contains("0000:08:00.0"));
  world.front->changed();
  CHECK(world.source.holder.at("0000:08:00.0") == kNet.uid);
  CHECK(world.prepare().SerializeAsString() == prepared.SerializeAsString());
}

TEST_CASE("front: the number of plain ports is asked each time") {
  World world;
  const std::string ports = "/apis/resource.k8s.io/v1/resourceslices/n1-sluice.dev-ports-0";
  world.front->changed();
  CHECK(world.until([&] { return world.published(ports) == 2; }));
  world.source.ports = 5;
  world.front->changed();
  CHECK(world.until([&] { return world.published(ports) == 5; }));
  world.source.ports = 0;
  world.front->changed();
  CHECK(world.until([&] { return !world.api->objects().contains(ports); }));
  CHECK(world.published() == 4);
}

TEST_CASE("front: without an API server it starts, answers, and says what is wrong") {
  World world;
  world.front.reset();
  world.api.reset();
  world.make();
  world.front->changed();
  CHECK(world.until([&] { return !world.front->state().last_error.empty(); }));
  CHECK(!world.prepare().error().empty());
  CHECK(world.front->uses().empty());
}

TEST_CASE("front: stops while calls hang") {
  World world;
  world.api->hang(true);
  world.front->changed();
  world.api->wait_for_hanging(1);
  world.front.reset();  // joins its threads without waiting for anybody's deadline
  CHECK(!world.front);
}

TEST_CASE("front: a node without a name is refused") {
  World world;
  world.front.reset();
  CHECK(!Front::make(*world.loop, Front::Settings{}, world.source, Logger()));
}

}  // namespace sluice::dra
