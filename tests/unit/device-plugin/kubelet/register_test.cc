// SPDX-License-Identifier: Apache-2.0
// Known to the kubelet by Register: it comes late, goes, refuses, hangs, forgets us.
#include <doctest/doctest.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>

#include "common/os/unique_fd.h"
#include "tests/unit/device-plugin/kubelet/front_lab.h"

namespace sluice::kubelet {
namespace {

using standin::Manner;
using test::device;
using test::FrontLab;
using test::kResource;

std::vector<ServedPool> one_pool() { return {{kResource, {device("a"), device("b")}}}; }

TEST_CASE("registers with the kubelet that is there, and says so") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2 && lab.state().registered; }));
  CHECK(lab.view().registrations == 1);
  CHECK(lab.observer.registrations == 1);
  CHECK(lab.observer.calls["Register ok"] == 1);
  CHECK(lab.observer.calls["ListAndWatch ok"] == 1);
  CHECK(lab.state().streams == 1);
  CHECK(lab.state().last_error.empty());
  // Left alone, it stays as it is.
  lab.run_for(std::chrono::milliseconds(500));
  CHECK(lab.view().registrations == 1);
}

TEST_CASE("starts before there is a kubelet, or its directory, or its root") {
  FrontLab lab;
  lab.front->publish(one_pool());
  CHECK_FALSE(lab.state().registered);
  CHECK_FALSE(lab.state().last_error.empty());
  lab.run_for(std::chrono::milliseconds(50));
  SUBCASE("all at once") {}
  SUBCASE("the directory first") {
    std::filesystem::create_directories(lab.root() + "/device-plugins");
    REQUIRE(lab.eventually([&] { return std::filesystem::exists(lab.socket()); }));
    CHECK(lab.state().last_error ==
          "there is no kubelet at " + lab.root() + "/device-plugins/kubelet.sock");
  }
  lab.start_kubelet();
  CHECK(lab.eventually([&] { return lab.healthy() == 2; }));
}

TEST_CASE("lists go out on change only, pools come and go without disturbing each other") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish({{kResource, {device("a"), device("b")}}, {"sluice.dev/x", {device("c")}}});
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2 && lab.healthy("sluice.dev/x") == 1; }));
  // Another pool comes, one goes, one has another list; the first is as it was.
  lab.front->publish({{kResource, {device("a"), device("b")}}, {"sluice.dev/y", {}}});
  REQUIRE(lab.eventually([&] {
    return lab.view("sluice.dev/y").registrations == 1 && lab.healthy("sluice.dev/x") == 0;
  }));
  CHECK_FALSE(std::filesystem::exists(lab.socket("sluice.dev_x.sock")));
  CHECK(std::filesystem::exists(lab.socket("sluice.dev_y.sock")));
  CHECK(lab.lists() == 1);
  CHECK(lab.view().registrations == 1);
  lab.front->publish({{kResource, {device("a", false), device("b")}}, {"sluice.dev/y", {}}});
  REQUIRE(lab.eventually([&] { return lab.healthy() == 1; }));
  CHECK(lab.lists() == 2);
  // And the one that went comes back.
  lab.front->publish({{kResource, {device("a")}}, {"sluice.dev/x", {device("c")}}});
  REQUIRE(lab.eventually([&] { return lab.healthy("sluice.dev/x") == 1; }));
  CHECK(lab.view().registrations == 1);
  for (const auto& entry : lab.history()) {
    if (entry.event != "registered") CHECK(entry.healthy > 0);
  }
}

TEST_CASE("two pools of one name: the first is served") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish({{kResource, {device("a")}}, {kResource, {device("b"), device("c")}}});
  REQUIRE(lab.eventually([&] { return lab.healthy() == 1; }));
  CHECK(lab.front->states().size() == 1);
}

TEST_CASE("a kubelet that restarts empties its directory and gets us again") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  for (unsigned i = 1; i <= 3; ++i) {
    REQUIRE(lab.eventually([&] { return lab.healthy() == 2 && lab.view().registrations == i; }));
    lab.beside([&] {
      lab.kubelet->stop();
      return 0;
    });
    REQUIRE(lab.healthy() == 0);
    REQUIRE(lab.kubelet->start());
  }
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  CHECK(lab.observer.losses == 3);
  CHECK(lab.observer.registrations == 4);
}

TEST_CASE("our socket alone is deleted: served and registered again") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  REQUIRE(std::filesystem::remove(lab.socket()));
  REQUIRE(lab.eventually([&] { return lab.view().registrations == 2 && lab.healthy() == 2; }));
  CHECK(std::filesystem::exists(lab.socket()));
}

TEST_CASE("the whole directory is deleted and made again") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  lab.beside([&] {
    lab.kubelet->stop();
    return 0;
  });
  std::filesystem::remove_all(lab.root());
  REQUIRE(lab.eventually([&] { return !lab.state().registered; }));
  REQUIRE(lab.kubelet->start());
  CHECK(lab.eventually([&] { return lab.healthy() == 2; }));
}

TEST_CASE("a kubelet that refuses is asked again, and its words are kept") {
  FrontLab lab;
  lab.start_kubelet();
  lab.kubelet->manners().set(Manner::kRefuse);
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.observer.calls["Register invalid"] >= 3; }));
  CHECK_FALSE(lab.state().registered);
  CHECK(lab.state().last_error.find("this kubelet refuses everybody") != std::string::npos);
  lab.kubelet->manners().set(Manner::kAccept);
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2 && lab.state().registered; }));
  CHECK(lab.state().last_error.empty());
}

TEST_CASE("a kubelet that hangs holds up nothing, and gets us when it wakes") {
  FrontLab lab;
  lab.start_kubelet();
  lab.kubelet->manners().set(Manner::kHang);
  lab.front->publish(one_pool());
  // Meanwhile we answer.
  CHECK(lab.call("/v1beta1.DevicePlugin/GetDevicePluginOptions", "").has_value());
  CHECK(lab.observer.calls["Register ok"] == 0);
  SUBCASE("in time") {}
  SUBCASE("after our patience") {
    REQUIRE(lab.eventually([&] { return lab.observer.calls["Register timeout"] == 1; }));
  }
  lab.kubelet->manners().set(Manner::kAccept);
  CHECK(lab.eventually([&] { return lab.healthy() == 2 && lab.state().registered; }));
}

TEST_CASE("a kubelet.sock that nobody serves, then a kubelet") {
  FrontLab lab;
  std::filesystem::create_directories(lab.root() + "/device-plugins");
  const auto path = lab.root() + "/device-plugins/kubelet.sock";
  SUBCASE("a socket of a dead process") {
    const os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    lab.front->publish(one_pool());
    REQUIRE(lab.eventually([&] { return lab.observer.calls["Register unavailable"] >= 2; }));
  }
  SUBCASE("a file") {
    std::ofstream(path) << "x";
    lab.front->publish(one_pool());
    lab.run_for(std::chrono::milliseconds(300));
    CHECK(lab.observer.calls.empty());
  }
  lab.start_kubelet();
  CHECK(lab.eventually([&] { return lab.healthy() == 2; }));
}

TEST_CASE("a kubelet that took us and then doesn't watch gets us again") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  // It drops its stream and says nothing; its socket stays.
  lab.beside([&] {
    lab.kubelet->devices().deregistered(kResource);
    return 0;
  });
  REQUIRE(lab.eventually([&] { return lab.state().streams == 0; }));
  CHECK_FALSE(lab.state().registered);
  CHECK(lab.eventually([&] { return lab.healthy() == 2 && lab.view().registrations == 2; }));
}

TEST_CASE("two instances: the second waits, never steals, and takes over") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  auto second = lab.make_front();
  second->publish({{kResource, {device("a"), device("b"), device("c")}}});
  lab.run_for(std::chrono::milliseconds(400));
  CHECK(second->states().at(0).last_error.find("live") != std::string::npos);
  CHECK(lab.view().registrations == 1);
  CHECK(lab.healthy() == 2);
  lab.front = std::move(second);  // the first is gone
  REQUIRE(lab.eventually([&] { return lab.healthy() == 3; }));
  CHECK(lab.view().registrations == 2);
}

TEST_CASE("somebody puts a socket in our place: we answer who watches us, and wait for its end") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  auto other = litegrpc::Server::listen(*lab.loop, lab.root() + "/other.sock", {}, Logger());
  REQUIRE(other);
  std::filesystem::rename(lab.root() + "/other.sock", lab.socket());
  lab.run_for(std::chrono::milliseconds(400));
  CHECK(lab.healthy() == 2);
  CHECK(lab.state().last_error == lab.socket());
  // The kubelet goes elsewhere: now we are nobody's, and must not take the socket.
  lab.beside([&] {
    lab.kubelet->devices().deregistered(kResource);
    return 0;
  });
  REQUIRE(lab.eventually([&] { return lab.state().last_error.find("live") != std::string::npos; }));
  CHECK(lab.view().registrations == 1);
  other->reset();
  std::filesystem::remove(lab.socket());
  CHECK(lab.eventually([&] { return lab.healthy() == 2 && lab.view().registrations == 2; }));
}

TEST_CASE("a stale socket of an instance that was killed is replaced") {
  FrontLab lab;
  std::filesystem::create_directories(lab.root() + "/device-plugins");
  {
    const os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    lab.socket().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd.get(), 1) == 0);
  }
  lab.front->publish(one_pool());
  CHECK(lab.call("/v1beta1.DevicePlugin/GetDevicePluginOptions", "").has_value());
}

TEST_CASE("a path that is too long for a socket: said, and nothing else suffers") {
  FrontLab lab;
  lab.start_kubelet();
  const std::string name = "sluice.dev/" + std::string(100, 'n');
  lab.front->publish({{name, {device("a")}}, {kResource, {device("b")}}});
  REQUIRE(lab.eventually([&] { return lab.healthy() == 1; }));
  CHECK(lab.front->states().at(0).last_error.find("socket path") != std::string::npos);
}

TEST_CASE("stopping removes the sockets and ends the streams") {
  FrontLab lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  lab.front.reset();
  CHECK_FALSE(std::filesystem::exists(lab.socket()));
  CHECK(lab.eventually([&] { return lab.healthy() == 0; }));
  // And no timer of it is left that would touch what is gone.
  lab.run_for(std::chrono::milliseconds(400));
}

}  // namespace
}  // namespace sluice::kubelet
