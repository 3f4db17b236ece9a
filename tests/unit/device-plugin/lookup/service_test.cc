// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/lookup/service.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "common/api/devices.pb.h"
#include "common/os/frame_socket.h"
#include "tests/unit/device-plugin/lookup/pools_fixture.h"

namespace sluice::lookup {
namespace {

constexpr Duration kPatience = std::chrono::seconds(30);

// Used on the loop's thread only, once the service runs.
class FakeDirectory final : public Directory {
 public:
  void devices_of(const std::string& pod_namespace, const std::string& pod, Found found) override {
    ++asked;
    if (keeps_answers) {
      kept.push_back(std::move(found));
    } else if (trouble) {
      found(fail(*trouble));
    } else {
      found(pods[pod_namespace + "/" + pod]);
    }
  }
  const pools::PoolSet& pools() const override { return pools_; }

  std::map<std::string, std::vector<PodDevice>> pods;
  std::optional<Error> trouble;
  bool keeps_answers = false;
  std::vector<Found> kept;
  int asked = 0;

 private:
  pools::PoolSet pools_ = testing::three_vf_pools(config::default_config("sluice.dev"));
};

class Lab {
 public:
  Lab() : loop_(os::EventLoop::create().value()) {
    char pattern[] = "/tmp/sluice-lookup-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    dir_ = pattern;
  }
  ~Lab() {
    stop();
    std::filesystem::remove_all(dir_);
  }

  void start() {
    auto made = LookupService::listen(*loop_, socket(), directory, "start 7", [] {
      return std::vector<std::pair<std::string, std::string>>{
          {"kubelet sluice.dev/vf", "registered"}, {"dra", "no API server: \xff"}};
    });
    REQUIRE(made);
    service_ = std::move(*made);
    thread_ = std::thread([this] { loop_->run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    run([this] { service_.reset(); });
    loop_->stop();
    thread_.join();
    loop_ = os::EventLoop::create().value();
  }
  void end_service() {
    run([this] { service_.reset(); });
  }
  // On the loop's thread, done when this returns.
  void run(const std::function<void()>& work) {
    std::atomic<bool> done = false;
    loop_->post([&] {
      work();
      done = true;
      done.notify_all();
    });
    done.wait(false);
  }

  std::string socket() const { return dir_ + "/device-plugin.sock"; }
  std::string raw(const std::string& bytes) const {
    auto answer = os::frame_call(socket(), bytes, kPatience);
    REQUIRE(answer);
    return std::move(*answer);
  }
  api::DevicesResponse call(const api::DevicesRequest& request) const {
    api::DevicesResponse response;
    REQUIRE(response.ParseFromString(raw(request.SerializeAsString())));
    return response;
  }
  api::DevicesResponse ask(const std::string& pod_namespace, const std::string& pod) const {
    api::DevicesRequest request;
    request.mutable_pod_devices()->set_namespace_(pod_namespace);
    request.mutable_pod_devices()->set_pod(pod);
    return call(request);
  }

  FakeDirectory directory;
  std::string dir_;

 private:
  std::unique_ptr<os::EventLoop> loop_;
  std::unique_ptr<LookupService> service_;
  std::thread thread_;
};

TEST_CASE("a pod's devices: VFs, SFs, claims, plain ports, in the directory's order") {
  Lab lab;
  lab.directory.pods["shop/web-0"] = {{"0000:3b:00.3", "sluice.dev/vf", "", 7},
                                      {"mlx5_core.sf.4", "sluice.dev/sf", "", 9},
                                      {"0000:3b:00.2", "sluice.dev/vf", "shop/net", 8},
                                      {"", "", "shop/plain", 0}};
  lab.start();
  const auto answer = lab.ask("shop", "web-0");
  REQUIRE(answer.has_pod_devices());
  const auto& found = answer.pod_devices();
  CHECK(found.instance() == "start 7");
  REQUIRE(found.devices_size() == 4);
  CHECK(found.devices(0).pci_address() == "0000:3b:00.3");
  CHECK(found.devices(0).resource() == "sluice.dev/vf");
  CHECK(found.devices(0).given() == 7);
  CHECK(found.devices(1).sf_name() == "mlx5_core.sf.4");
  CHECK(found.devices(2).claim() == "shop/net");
  CHECK(found.devices(2).pci_address() == "0000:3b:00.2");
  CHECK(found.devices(3).plain_port());
  CHECK(found.devices(3).claim() == "shop/plain");
  CHECK(lab.ask("shop", "other").pod_devices().devices_size() == 0);
  CHECK(lab.ask("shop", "other").has_pod_devices());
}

TEST_CASE("what the directory can't say is a failure, not an empty list") {
  Lab lab;
  lab.directory.trouble =
      Error{Code::kTimeout, Domain::kNone, 0, "the kubelet doesn't answer", {}, Retry::kLater};
  lab.start();
  const auto answer = lab.ask("shop", "web-0");
  REQUIRE(answer.has_failure());
  CHECK(answer.failure().code() == "timeout");
  CHECK(answer.failure().message().find("the kubelet doesn't answer") != std::string::npos);
  lab.run([&] {
    lab.directory.trouble.reset();
    lab.directory.pods["shop/web-0"].resize(kMaxDevicesOfPod + 1);
  });
  CHECK(lab.ask("shop", "web-0").failure().code() == "exhausted");
}

TEST_CASE("what is no question is refused before the directory is asked") {
  Lab lab;
  lab.start();
  const auto failure_of = [&](const std::string& bytes) {
    api::DevicesResponse response;
    REQUIRE(response.ParseFromString(lab.raw(bytes)));
    return response.failure().code();
  };
  CHECK(failure_of("\xff\xff no message") == "invalid");
  CHECK(failure_of("") == "unsupported");
  CHECK(failure_of(std::string(100000, 'x')) == "invalid");
  for (const auto& [pod_namespace, pod] :
       std::vector<std::pair<std::string, std::string>>{{"", "a"},
                                                        {"shop", ""},
                                                        {"shop/x", "a"},
                                                        {"shop", "a b"},
                                                        {"shop", "A"},
                                                        {std::string(64, 'a'), "a"},
                                                        {"shop", std::string(254, 'a')}}) {
    const auto answer = lab.ask(pod_namespace, pod);
    INFO(answer.failure().message());
    CHECK(answer.failure().code() == "invalid");
    CHECK(answer.failure().message().size() < 400);
  }
  lab.run([&] { CHECK(lab.directory.asked == 0); });
}

TEST_CASE("the list has pools, devices and notes; no byte of it makes it unreadable") {
  Lab lab;
  lab.start();
  api::DevicesRequest request;
  request.mutable_list_devices();
  const auto answer = lab.call(request);
  REQUIRE(answer.has_list());
  REQUIRE(answer.list().pools_size() == 1);
  CHECK(answer.list().pools(0).devices_size() == 3);
  REQUIRE(answer.list().notes_size() == 2);
  CHECK(answer.list().notes(0).name() == "kubelet sluice.dev/vf");
  CHECK(answer.list().notes(1).value() == "no API server: ?");
}

TEST_CASE("the socket is the owner's alone; ended, it refuses but stays, and is taken over") {
  Lab lab;
  lab.start();
  struct stat info {};
  REQUIRE(::stat(lab.socket().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600);
  lab.stop();
  REQUIRE(::stat(lab.socket().c_str(), &info) == 0);
  CHECK(S_ISSOCK(info.st_mode));
  CHECK((info.st_mode & 0777U) == 0600);
  CHECK_FALSE(os::frame_call(lab.socket(), "x", kPatience));
  CHECK_FALSE(std::filesystem::exists(lab.socket() + ".away"));
  lab.start();
  CHECK(lab.ask("shop", "web-0").has_pod_devices());
}

TEST_CASE("a service that ends leaves a file alone that isn't its own") {
  Lab lab;
  lab.start();
  std::filesystem::remove(lab.socket());
  std::ofstream(lab.socket()) << "another's";
  lab.stop();
  CHECK(std::filesystem::is_regular_file(lab.socket()));
  std::filesystem::remove(lab.socket());
}

TEST_CASE("an answer that comes when the service is gone goes nowhere") {
  Lab lab;
  lab.directory.keeps_answers = true;
  lab.start();
  std::thread client([&] {
    (void)os::frame_call(
        lab.socket(),
        [] {
          api::DevicesRequest request;
          request.mutable_pod_devices()->set_namespace_("shop");
          request.mutable_pod_devices()->set_pod("web-0");
          return request.SerializeAsString();
        }(),
        kPatience);
  });
  for (bool asked = false; !asked;) {
    lab.run([&] { asked = !lab.directory.kept.empty(); });
  }
  lab.end_service();
  client.join();
  lab.run([&] { lab.directory.kept[0](std::vector<PodDevice>{{"0000:3b:00.2", "a/b", "", 1}}); });
  CHECK(lab.directory.asked == 1);
}

}  // namespace
}  // namespace sluice::lookup
