// SPDX-License-Identifier: Apache-2.0
// sluice-device-plugin against standin-kubelet: both programs, real sockets, a sysfs tree of files.
#include <doctest/doctest.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <grpcpp/grpcpp.h>
#include <nlohmann/json.hpp>

#include "device-plugin/kubelet/deviceplugin.grpc.pb.h"
#include "tests/component/device_plugin/background_program.h"
#include "tests/component/device_plugin/fake_sysfs.h"

namespace sluice {
namespace {

using nlohmann::json;
using testing::BackgroundProgram;
using testing::FakeSysfs;

const std::string kPf = "0000:3b:00.0";
const std::string kResource = "sluice.dev/vf";

std::string vf_address(unsigned index) { return "0000:3b:00." + std::to_string(index + 2); }

// A node's directories, with 4 VFs, and the two programs as the test wants them.
class Node {
 public:
  Node() {
    char pattern[] = "/tmp/sluice-dp-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    dir_ = pattern;
    sysfs_ = std::make_unique<FakeSysfs>(dir_ + "/sys");
    sysfs_->add_pf(kPf, "pfdrv", "p0");
    for (unsigned i = 0; i < 4; ++i) sysfs_->add_vf(kPf, i, vf_address(i), "vfdrv");
  }
  ~Node() {
    plugin.reset();
    kubelet.reset();
    std::filesystem::remove_all(dir_);
  }

  void start_kubelet() {
    kubelet = std::make_unique<BackgroundProgram>(std::vector<std::string>{
        STANDIN_KUBELET, "--dir", dir_ + "/kubelet", "--control", dir_ + "/control.sock"});
  }
  void start_plugin(const std::string& config = "") {
    std::vector<std::string> argv = {SLUICE_DEVICE_PLUGIN,
                                     "--sysfs-root",
                                     dir_ + "/sys",
                                     "--kubelet-dir",
                                     dir_ + "/kubelet",
                                     "--rescan-seconds",
                                     "1"};
    if (!config.empty()) {
      std::ofstream(dir_ + "/config.json") << config;
      argv.insert(argv.end(), {"--config", dir_ + "/config.json"});
    }
    plugin = std::make_unique<BackgroundProgram>(argv);
  }

  // One question on the control socket; nothing while the stand-in isn't up.
  std::optional<json> ask(const json& request) const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (dir_ + "/control.sock").c_str(), sizeof address.sun_path - 1);
    std::string answer;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      const auto line = request.dump() + "\n";
      if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0) {
        char chunk[4096];
        while (answer.empty() || answer.back() != '\n') {
          const auto got = ::recv(fd, chunk, sizeof chunk, 0);
          if (got <= 0) break;
          answer.append(chunk, static_cast<std::size_t>(got));
        }
      }
    }
    ::close(fd);
    auto out = json::parse(answer, nullptr, false);
    if (out.is_discarded()) return std::nullopt;
    return out;
  }

  json resource(const std::string& name = kResource) const {
    const auto answer = ask({{"op", "resources"}});
    if (!answer || !(*answer)["resources"].contains(name)) return nullptr;
    return (*answer)["resources"][name];
  }
  std::size_t healthy(const std::string& name = kResource) const {
    std::size_t count = 0;
    const auto view = resource(name);
    if (view.is_null()) return 0;
    for (const auto& device : view["devices"]) count += device["healthy"].get<bool>() ? 1 : 0;
    return count;
  }
  json allocate(const std::string& pod, int count, const std::string& name = kResource) const {
    return ask({{"op", "allocate"}, {"pod", pod}, {"resource", name}, {"count", count}})
        .value_or(json{{"error", "no answer"}});
  }

  const std::string& dir() const { return dir_; }
  std::string plugins_dir() const { return dir_ + "/kubelet/device-plugins"; }
  FakeSysfs& sysfs() { return *sysfs_; }

  std::unique_ptr<BackgroundProgram> kubelet, plugin;

 private:
  std::string dir_;
  std::unique_ptr<FakeSysfs> sysfs_;
};

// Waits for something that comes by itself; the limit is only for a build that is broken.
bool eventually(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < limit) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return condition();
}

TEST_CASE("registers, lists in index order, allocates, refuses when all are taken") {
  Node node;
  node.start_kubelet();
  REQUIRE(eventually([&] { return node.ask({{"op", "resources"}}).has_value(); }));
  node.start_plugin();
  REQUIRE(eventually([&] { return node.healthy() == 4; }));
  const auto devices = node.resource()["devices"];
  for (unsigned i = 0; i < 4; ++i) CHECK(devices[i]["id"] == vf_address(i));

  const auto first = node.allocate("shop/web-0", 1);
  CHECK(first["devices"] == json{vf_address(0)});
  CHECK(first["envs"] ==
        json{{"SLUICE_VF_VF", vf_address(0)}, {"PCIDEVICE_SLUICE_DEV_VF", vf_address(0)}});
  const auto more = node.allocate("shop/web-1", 3);
  CHECK(more["envs"]["SLUICE_VF_VF"] == vf_address(1) + "," + vf_address(2) + "," + vf_address(3));
  CHECK(node.allocate("shop/web-2", 1)["error"] ==
        "shop/web-2 wants 1 of sluice.dev/vf, 0 of 4 are free");
  CHECK(node.resource()["devices"][0]["pod"] == "shop/web-0");
  CHECK(node.ask({{"op", "free"}, {"pod", "shop/web-1"}}) == json{{"freed", 3}});
  CHECK(node.allocate("shop/web-2", 1)["devices"] == json{vf_address(1)});
}

TEST_CASE("what the plugin answers on the wire") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(eventually([&] { return node.healthy() == 4; }));
  node.sysfs().unbind(vf_address(1));
  REQUIRE(eventually([&] { return node.healthy() == 3; }));
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  const auto stub = v1beta1::DevicePlugin::NewStub(
      grpc::CreateCustomChannel("unix:" + node.plugins_dir() + "/sluice.dev_vf.sock",
                                grpc::InsecureChannelCredentials(), arguments));

  v1beta1::AllocateRequest request;
  request.add_container_requests()->add_devices_ids(vf_address(0));
  auto* second = request.add_container_requests();
  second->add_devices_ids(vf_address(1));
  second->add_devices_ids("0000:99:00.1");
  v1beta1::AllocateResponse refused;
  grpc::ClientContext allocate;
  const auto status = stub->Allocate(&allocate, request, &refused);
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(status.error_message() ==
        "devices of sluice.dev/vf: 0000:3b:00.3 is unhealthy (no driver is bound); 0000:99:00.1 is "
        "unknown");

  v1beta1::DevicePluginOptions options;
  grpc::ClientContext ask_options;
  REQUIRE(stub->GetDevicePluginOptions(&ask_options, {}, &options).ok());
  CHECK_FALSE(options.pre_start_required());
  CHECK(options.get_preferred_allocation_available());

  v1beta1::PreferredAllocationRequest choice;
  auto* container = choice.add_container_requests();
  container->add_available_deviceids(vf_address(3));
  container->add_available_deviceids(vf_address(2));
  container->set_allocation_size(1);
  v1beta1::PreferredAllocationResponse chosen;
  grpc::ClientContext prefer;
  REQUIRE(stub->GetPreferredAllocation(&prefer, choice, &chosen).ok());
  REQUIRE(chosen.container_responses_size() == 1);
  REQUIRE(chosen.container_responses(0).deviceids_size() == 1);
  CHECK(chosen.container_responses(0).deviceids(0) == vf_address(2));

  v1beta1::PreStartContainerResponse started;
  grpc::ClientContext start;
  CHECK(stub->PreStartContainer(&start, {}, &started).ok());

  // A second watcher gets the list at once, with the NUMA node, and can leave at any time.
  grpc::ClientContext watch;
  const auto stream = stub->ListAndWatch(&watch, {});
  v1beta1::ListAndWatchResponse list;
  REQUIRE(stream->Read(&list));
  REQUIRE(list.devices_size() == 4);
  CHECK(list.devices(0).health() == "Healthy");
  CHECK(list.devices(1).health() == "Unhealthy");
  REQUIRE(list.devices(0).topology().nodes_size() == 1);
  CHECK(list.devices(0).topology().nodes(0).id() == 0);
  watch.TryCancel();
  while (stream->Read(&list)) {
  }
  CHECK(stream->Finish().error_code() == grpc::StatusCode::CANCELLED);
  node.sysfs().bind(vf_address(1), "vfdrv");
  CHECK(eventually([&] { return node.healthy() == 4; }));
}

TEST_CASE("starts before there is a kubelet, or its directory") {
  Node node;
  node.start_plugin();
  node.start_kubelet();
  CHECK(eventually([&] { return node.healthy() == 4; }));
}

TEST_CASE("a kubelet that restarts empties its directory and gets us again") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(eventually([&] { return node.healthy() == 4; }));
  for (int i = 0; i < 3; ++i) {
    // The last time without a chance to clean up.
    CHECK(node.kubelet->stop(i < 2 ? SIGTERM : SIGKILL) == (i < 2 ? 0 : 128 + SIGKILL));
    node.start_kubelet();
    REQUIRE(eventually([&] { return node.healthy() == 4; }));
    CHECK(node.allocate("a/b", 1)["devices"].size() == 1);
  }
}

TEST_CASE("our socket file alone is deleted: served and registered again") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(eventually([&] { return node.healthy() == 4; }));
  const auto before = node.resource()["registrations"].get<unsigned>();
  REQUIRE(std::filesystem::remove(node.plugins_dir() + "/sluice.dev_vf.sock"));
  REQUIRE(eventually([&] {
    const auto view = node.resource();
    return !view.is_null() && view["registrations"].get<unsigned>() > before;
  }));
  REQUIRE(eventually([&] { return node.healthy() == 4; }));
  CHECK(node.allocate("a/b", 1)["devices"].size() == 1);
}

TEST_CASE("a VF that vanishes or loses its driver is unhealthy, and healthy when it is back") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(eventually([&] { return node.healthy() == 4; }));
  node.sysfs().remove_vf(kPf, 0, vf_address(0));
  REQUIRE(eventually([&] { return node.healthy() == 3; }));
  CHECK(node.resource()["devices"].size() == 4);
  node.sysfs().unbind(vf_address(1));
  REQUIRE(eventually([&] { return node.healthy() == 2; }));
  CHECK(node.allocate("a/b", 1)["devices"] == json{vf_address(2)});
  CHECK(node.allocate("a/c", 2)["error"] == "a/c wants 2 of sluice.dev/vf, 1 of 4 are free");
  node.sysfs().add_vf(kPf, 0, vf_address(0), "vfdrv");
  node.sysfs().bind(vf_address(1), "vfdrv");
  CHECK(eventually([&] { return node.healthy() == 4; }));
  // All of it on one stream: nothing was registered twice.
  CHECK(node.resource()["registrations"] == 1);
}

TEST_CASE("a VF whose netdev is away in a pod stays healthy; a new VF joins") {
  Node node;
  node.sysfs().add_netdev(vf_address(0), "vf0", "02:00:00:00:00:01", 9);
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(eventually([&] { return node.healthy() == 4; }));
  node.sysfs().remove_netdev(vf_address(0), "vf0");
  node.sysfs().add_vf(kPf, 4, vf_address(4), "vfdrv");
  REQUIRE(eventually([&] { return node.healthy() == 5; }));
}

TEST_CASE("several pools are several resources; one without devices is there with none") {
  Node node;
  node.start_kubelet();
  node.start_plugin(R"({"pools":[{"name":"low","selectors":{"pfNames":["p0#0-1"]}},
                                 {"name":"high-rate"},
                                 {"name":"none","selectors":{"drivers":["other"]}}]})");
  REQUIRE(eventually([&] { return node.healthy("sluice.dev/low") == 2; }));
  REQUIRE(eventually([&] { return node.healthy("sluice.dev/high-rate") == 2; }));
  REQUIRE(eventually([&] { return !node.resource("sluice.dev/none").is_null(); }));
  CHECK(node.resource("sluice.dev/none")["devices"].empty());
  const auto answer = node.allocate("a/b", 1, "sluice.dev/high-rate");
  CHECK(answer["envs"] == json{{"SLUICE_VF_HIGH_RATE", vf_address(2)},
                               {"PCIDEVICE_SLUICE_DEV_HIGH_RATE", vf_address(2)}});
}

TEST_CASE("SIGTERM: a clean exit, and no socket is left") {
  Node node;
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(eventually([&] { return node.healthy() == 4; }));
  const auto socket = node.plugins_dir() + "/sluice.dev_vf.sock";
  CHECK(std::filesystem::exists(socket));
  CHECK(node.plugin->stop(SIGTERM) == 0);
  CHECK_FALSE(std::filesystem::exists(socket));
  // The kubelet sees the end of the stream.
  CHECK(eventually([&] { return node.healthy() == 0; }));
  CHECK(node.kubelet->stop(SIGTERM) == 0);
  CHECK_FALSE(std::filesystem::exists(node.plugins_dir() + "/kubelet.sock"));
  CHECK_FALSE(std::filesystem::exists(node.dir() + "/control.sock"));
}

TEST_CASE("without a sysfs tree the resource is there with nothing in it, until there is one") {
  Node node;
  std::filesystem::rename(node.dir() + "/sys", node.dir() + "/later");
  node.start_kubelet();
  node.start_plugin();
  REQUIRE(eventually([&] { return !node.resource().is_null(); }));
  CHECK(node.resource()["devices"].empty());
  std::filesystem::rename(node.dir() + "/later", node.dir() + "/sys");
  CHECK(eventually([&] { return node.healthy() == 4; }));
}

}  // namespace
}  // namespace sluice
