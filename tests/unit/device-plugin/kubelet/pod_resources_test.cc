// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/pod_resources.h"

#include <doctest/doctest.h>

#include "common/litegrpc/server.h"
#include "tests/unit/device-plugin/kubelet/front_lab.h"

namespace sluice::kubelet {
namespace {

using test::device;
using test::FrontLab;
using test::kResource;

Result<std::vector<PodDevices>> ask(FrontLab& lab, const std::string& socket,
                                    Duration deadline = std::chrono::seconds(20)) {
  const PodResources resources(*lab.loop, socket);
  std::optional<Result<std::vector<PodDevices>>> out;
  bool within = true;
  const auto query = resources.list(deadline, [&](Result<std::vector<PodDevices>> pods) {
    CHECK_FALSE(within);
    CHECK_FALSE(out);
    out = std::move(pods);
  });
  within = false;
  REQUIRE(lab.eventually([&] { return out.has_value(); }));
  return *out;
}

TEST_CASE("which pod has what, from a kubelet that allocated it") {
  FrontLab lab;
  const auto socket = lab.root() + "/pod-resources/kubelet.sock";
  lab.start_kubelet();
  lab.allocator.grants = {{"a", {}}, {"b", {}}, {"c", {}}};
  lab.front->publish({{kResource, {device("a"), device("b"), device("c")}}});
  REQUIRE(lab.eventually([&] { return lab.healthy() == 3; }));
  const auto none = ask(lab, socket);
  REQUIRE(none);
  CHECK(none->empty());

  const auto allocate = [&](const std::string& pod, const std::string& container,
                            const std::vector<std::string>& ids) {
    return lab.beside([&] {
      return lab.kubelet->devices()
          .allocate({pod, kResource, container, ids.size(), ids})
          .has_value();
    });
  };
  REQUIRE(allocate("shop/web-0", "app", {"b", "c"}));
  REQUIRE(allocate("shop/web-0", "sidecar", {"a"}));
  lab.kubelet->devices().claim("lab/x", {{"lab", "net", "sluice.dev", "node-a", "vf-2"}});
  const auto pods = ask(lab, socket);
  REQUIRE(pods);
  CHECK(*pods ==
        std::vector<PodDevices>{
            {"lab", "x", {}, {{"lab", "net", "sluice.dev", "node-a", "vf-2"}}},
            {"shop", "web-0", {{kResource, {"b"}}, {kResource, {"c"}}, {kResource, {"a"}}}, {}}});
}

TEST_CASE("nobody there, nobody who answers, nonsense") {
  FrontLab lab;
  std::filesystem::create_directories(lab.root());
  const auto socket = lab.root() + "/pods.sock";
  CHECK(ask(lab, socket).error().code == Code::kUnavailable);
  std::string nonsense = "\x0a\x05";
  std::optional<litegrpc::Reply> held;
  litegrpc::Methods methods;
  methods.unary["/v1.PodResourcesLister/List"] = [&](std::string_view request,
                                                     litegrpc::Reply reply) {
    CHECK(request.empty());
    if (nonsense.empty()) {
      held = std::move(reply);
    } else {
      reply(nonsense);
    }
  };
  auto server = litegrpc::Server::listen(*lab.loop, socket, methods, Logger());
  REQUIRE(server);
  const auto broken = ask(lab, socket);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == Code::kInvalid);
  CHECK(broken.error().to_string().find(socket) != std::string::npos);
  nonsense.clear();
  CHECK(ask(lab, socket, std::chrono::milliseconds(100)).error().code == Code::kTimeout);
}

TEST_CASE("a question that was given up is not answered") {
  FrontLab lab;
  lab.start_kubelet();
  const PodResources resources(*lab.loop, lab.root() + "/pod-resources/kubelet.sock");
  bool answered = false;
  auto query = resources.list(std::chrono::seconds(20), [&](const auto&) { answered = true; });
  query.reset();
  lab.run_for(std::chrono::milliseconds(200));
  CHECK_FALSE(answered);
}

}  // namespace
}  // namespace sluice::kubelet
