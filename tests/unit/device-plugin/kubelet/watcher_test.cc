// SPDX-License-Identifier: Apache-2.0
// Known to the kubelet by its plugin watcher: sockets in plugins_registry.
#include <doctest/doctest.h>

#include "device-plugin/kubelet/messages.h"
#include "device-plugin/kubelet/pluginregistration.pb.h"
#include "tests/unit/device-plugin/kubelet/front_lab.h"

namespace sluice::kubelet {
namespace {

using standin::Manner;
using test::device;
using test::FrontLab;
using test::kResource;

std::vector<ServedPool> one_pool() { return {{kResource, {device("a"), device("b")}}}; }

struct Watcher : FrontLab {
  Watcher() : FrontLab(true) {}
};

TEST_CASE("found, asked, told, watched; nothing in device-plugins") {
  Watcher lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2 && lab.state().registered; }));
  CHECK(lab.observer.calls["GetInfo ok"] == 1);
  CHECK(lab.observer.calls["NotifyRegistrationStatus ok"] == 1);
  CHECK(lab.observer.calls["Register ok"] == 0);
  CHECK(lab.observer.registrations == 1);
  CHECK_FALSE(std::filesystem::exists(lab.root() + "/device-plugins/sluice.dev_vf.sock"));
  lab.run_for(std::chrono::milliseconds(500));
  CHECK(lab.view().registrations == 1);
  lab.front->publish({{kResource, {device("a")}}});
  REQUIRE(lab.eventually([&] { return lab.view().devices.size() == 1; }));
  lab.front->publish({});
  REQUIRE(lab.eventually([&] { return lab.healthy() == 0; }));
  CHECK_FALSE(std::filesystem::exists(lab.socket()));
}

TEST_CASE("what GetInfo says") {
  Watcher lab;
  std::filesystem::create_directories(lab.root() + "/plugins_registry");
  lab.front->publish(one_pool());
  const auto bytes = lab.call("/pluginregistration.Registration/GetInfo", "");
  REQUIRE(bytes);
  pluginregistration::PluginInfo info;
  REQUIRE(info.ParseFromString(*bytes));
  CHECK(info.type() == "DevicePlugin");
  CHECK(info.name() == kResource);
  CHECK(info.endpoint().empty());
  REQUIRE(info.supported_versions_size() == 1);
  CHECK(info.supported_versions(0) == "v1beta1");
}

TEST_CASE("a kubelet that refuses: counted, survived, and tried again until it takes us") {
  Watcher lab;
  lab.start_kubelet();
  lab.kubelet->manners().set(Manner::kRefuse);
  lab.front->publish(one_pool());
  // Again and again: each is a new socket.
  REQUIRE(lab.eventually(
      [&] { return lab.observer.calls["NotifyRegistrationStatus precondition"] >= 3; }));
  CHECK(lab.state().last_error == "this kubelet refuses everybody");
  CHECK_FALSE(lab.state().registered);
  lab.kubelet->manners().set(Manner::kAccept);
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2 && lab.state().registered; }));
  CHECK(lab.state().last_error.empty());
}

TEST_CASE("a Notify that is nonsense") {
  Watcher lab;
  std::filesystem::create_directories(lab.root() + "/plugins_registry");
  lab.front->publish(one_pool());
  const auto notify = "/pluginregistration.Registration/NotifyRegistrationStatus";
  CHECK(lab.call(notify, "\xff").error().code == Code::kInvalid);
  CHECK_FALSE(lab.state().registered);
  CHECK(lab.call(notify, "\x08\x01") == std::string());
  CHECK(lab.state().registered);
}

TEST_CASE("a kubelet that took us but never watches finds a new socket") {
  Watcher lab;
  std::filesystem::create_directories(lab.root() + "/plugins_registry");
  lab.front->publish(one_pool());
  struct stat before {};
  REQUIRE(::lstat(lab.socket().c_str(), &before) == 0);
  // Nobody was here: nothing is made anew.
  lab.run_for(std::chrono::milliseconds(500));
  struct stat after {};
  REQUIRE(::lstat(lab.socket().c_str(), &after) == 0);
  CHECK(after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
  CHECK(lab.call("/pluginregistration.Registration/NotifyRegistrationStatus", "\x08\x01"));
  CHECK(lab.eventually([&] {
    struct stat now {};
    return ::lstat(lab.socket().c_str(), &now) == 0 &&
           (now.st_ctim.tv_nsec != before.st_ctim.tv_nsec ||
            now.st_ctim.tv_sec != before.st_ctim.tv_sec);
  }));
  CHECK(lab.observer.losses == 1);
}

TEST_CASE("a kubelet that restarts finds us again, also when its streams ended long ago") {
  Watcher lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  const auto stop = [&] {
    lab.beside([&] {
      lab.kubelet->stop();
      return 0;
    });
  };
  stop();
  SUBCASE("at once") {}
  SUBCASE("later") { lab.run_for(std::chrono::milliseconds(700)); }
  REQUIRE(lab.kubelet->start());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2 && lab.state().registered; }));
}

TEST_CASE("a kubelet that drops its stream gets a new socket to find") {
  Watcher lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  lab.beside([&] {
    lab.kubelet->devices().deregistered(kResource);
    return 0;
  });
  CHECK(lab.eventually([&] { return lab.view().registrations >= 2 && lab.healthy() == 2; }));
}

TEST_CASE("our socket is deleted") {
  Watcher lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  REQUIRE(lab.kubelet->delete_sockets() == 1);
  CHECK(lab.eventually([&] { return lab.view().registrations == 2 && lab.healthy() == 2; }));
}

TEST_CASE("a registry that comes later is used, but not under a kubelet that watches us") {
  FrontLab lab;  // by register
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  const auto in_registry = lab.root() + "/plugins_registry/sluice.dev_vf.sock";
  std::filesystem::create_directories(lab.root() + "/plugins_registry");
  lab.run_for(std::chrono::milliseconds(400));
  CHECK(lab.healthy() == 2);
  CHECK_FALSE(std::filesystem::exists(in_registry));
  lab.beside([&] {
    lab.kubelet->stop();
    return 0;
  });
  CHECK(lab.eventually([&] { return std::filesystem::exists(in_registry); }));
  CHECK_FALSE(std::filesystem::exists(lab.socket()));
}

TEST_CASE("a mode that was asked for is kept to") {
  Watcher lab;
  lab.start_kubelet();
  lab.front = lab.make_front(Mode::kRegister);
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  CHECK(lab.observer.calls["Register ok"] == 1);
  CHECK_FALSE(std::filesystem::exists(lab.socket()));
  CHECK(std::filesystem::exists(lab.root() + "/device-plugins/sluice.dev_vf.sock"));
}

TEST_CASE("two instances: the second waits and takes over") {
  Watcher lab;
  lab.start_kubelet();
  lab.front->publish(one_pool());
  REQUIRE(lab.eventually([&] { return lab.healthy() == 2; }));
  auto second = lab.make_front();
  second->publish({{kResource, {device("c")}}});
  lab.run_for(std::chrono::milliseconds(400));
  CHECK(second->states().at(0).last_error.find("live") != std::string::npos);
  CHECK(lab.view().registrations == 1);
  lab.front = std::move(second);
  CHECK(lab.eventually([&] { return lab.view().devices.size() == 1 && lab.healthy() == 1; }));
}

}  // namespace
}  // namespace sluice::kubelet
