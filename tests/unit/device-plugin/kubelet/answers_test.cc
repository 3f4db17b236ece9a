// SPDX-License-Identifier: Apache-2.0
// What a pool's socket answers, to two clients: litegrpc's own and gRPC C++.
#include <doctest/doctest.h>

#include <grpcpp/grpcpp.h>

#include "device-plugin/kubelet/deviceplugin.grpc.pb.h"
#include "device-plugin/kubelet/messages.h"
#include "tests/support/standin_kubelet/grpc_help.h"
#include "tests/unit/device-plugin/kubelet/front_lab.h"

namespace sluice::kubelet {
namespace {

using test::device;
using test::FrontLab;
using test::kResource;

constexpr const char* kAllocate = "/v1beta1.DevicePlugin/Allocate";

struct Served : FrontLab {
  Served() {
    std::filesystem::create_directories(root() + "/device-plugins");
    front->publish({{kResource, {device("a", true, 1), device("b", false)}}});
    REQUIRE(std::filesystem::exists(socket()));
  }
  std::unique_ptr<v1beta1::DevicePlugin::Stub> stub() const {
    return v1beta1::DevicePlugin::NewStub(standin::channel_to(socket()));
  }
};

std::string allocate_request(const std::vector<Ids>& containers) {
  v1beta1::AllocateRequest request;
  for (const auto& ids : containers) {
    auto* container = request.add_container_requests();
    for (const auto& id : ids) container->add_devices_ids(id);
  }
  return request.SerializeAsString();
}

allocate::Grant full_grant(const std::string& id) {
  return {{{"PCIDEVICE_SLUICE_DEV_VF", id}},
          {{"/dev/vfio/7", "/dev/vfio/noiommu-7", "rw"}},
          {{"/in", "/out", true}},
          {"sluice.dev/vf=" + id}};
}

TEST_CASE("Allocate for several containers, in their order, as gRPC C++ reads it") {
  Served lab;
  lab.allocator.grants = {{"a", full_grant("a")}, {"b", full_grant("b")}};
  v1beta1::AllocateRequest request;
  request.ParseFromString(allocate_request({{"b"}, {}, {"a"}}));
  v1beta1::AllocateResponse answer;
  const auto status = lab.beside([&] {
    grpc::ClientContext context;
    context.set_deadline(standin::in_seconds(20));
    return lab.stub()->Allocate(&context, request, &answer);
  });
  REQUIRE_MESSAGE(status.ok(), status.error_message());
  REQUIRE(answer.container_responses_size() == 3);
  const auto& first = answer.container_responses(0);
  CHECK(first.envs().at("PCIDEVICE_SLUICE_DEV_VF") == "b");
  REQUIRE(first.devices_size() == 1);
  CHECK(first.devices(0).container_path() == "/dev/vfio/7");
  CHECK(first.devices(0).host_path() == "/dev/vfio/noiommu-7");
  CHECK(first.devices(0).permissions() == "rw");
  REQUIRE(first.mounts_size() == 1);
  CHECK(first.mounts(0).read_only());
  REQUIRE(first.cdi_devices_size() == 1);
  CHECK(first.cdi_devices(0).name() == "sluice.dev/vf=b");
  CHECK(answer.container_responses(1).ByteSizeLong() == 0);
  CHECK(answer.container_responses(2).envs().at("PCIDEVICE_SLUICE_DEV_VF") == "a");
  CHECK(lab.allocator.asked == std::vector<Ids>{{"b"}, {"a"}});
  CHECK(lab.observer.calls["Allocate ok"] == 1);
}

TEST_CASE("the same bytes for litegrpc's client") {
  Served lab;
  lab.allocator.grants = {{"a", full_grant("a")}};
  const auto answer = lab.call(kAllocate, allocate_request({{"a"}}));
  REQUIRE(answer);
  CHECK(*answer == allocate_answer({full_grant("a")}));
}

TEST_CASE("the first refusal ends it, with the reason, and nothing further is given") {
  Served lab;
  lab.allocator.grants = {{"a", full_grant("a")}};
  const auto answer = lab.call(kAllocate, allocate_request({{"b"}, {"a"}}));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Code::kPrecondition);
  CHECK(answer.error().message.find("b of sluice.dev/vf can't be used now") != std::string::npos);
  CHECK(lab.allocator.asked == std::vector<Ids>{{"b"}});
  CHECK(lab.observer.calls["Allocate precondition"] == 1);
}

TEST_CASE("an answer may come later, others come meanwhile") {
  Served lab;
  lab.allocator.grants = {{"a", full_grant("a")}};
  lab.allocator.hold = true;
  std::optional<Result<std::string>> late;
  const auto call = litegrpc::Call::start(*lab.loop, lab.socket(), kAllocate,
                                          allocate_request({{"a"}}), std::chrono::seconds(20),
                                          [&](Result<std::string> answer) { late = answer; });
  REQUIRE(lab.eventually([&] { return lab.allocator.held() == 1; }));
  CHECK(lab.call("/v1beta1.DevicePlugin/GetDevicePluginOptions", "") == options_message());
  CHECK_FALSE(late);
  lab.allocator.release();
  REQUIRE(lab.eventually([&] { return late.has_value(); }));
  CHECK(*late == allocate_answer({full_grant("a")}));
}

TEST_CASE("an answer that comes after the pool, or all of us, has gone") {
  Served lab;
  lab.allocator.hold = true;
  std::optional<Result<std::string>> answer;
  const auto call = litegrpc::Call::start(*lab.loop, lab.socket(), kAllocate,
                                          allocate_request({{"a"}}), std::chrono::seconds(20),
                                          [&](Result<std::string> got) { answer = got; });
  REQUIRE(lab.eventually([&] { return lab.allocator.held() == 1; }));
  SUBCASE("the pool") {
    lab.front->publish({});
    REQUIRE(lab.eventually([&] { return answer.has_value(); }));
  }
  SUBCASE("all") { lab.front.reset(); }
  lab.allocator.release();
  REQUIRE(lab.eventually([&] { return answer.has_value(); }));
  CHECK(answer->error().code == Code::kUnavailable);
  CHECK(lab.observer.calls["Allocate ok"] == 0);
}

TEST_CASE("pools that change from within an answer") {
  // What a broker does: a grant changes the lists.
  struct Changing final : Allocator {
    Front* front = nullptr;
    std::vector<ServedPool> then;
    void allocate(const std::string&, const std::vector<std::string>&, Granted granted) override {
      front->publish(then);
      granted(allocate::Grant{});
    }
    void prefer(const std::string&, const std::vector<std::string>&,
                const std::vector<std::string>&, std::size_t, Chosen chosen) override {
      chosen({});
    }
  };
  Served lab;
  lab.front.reset();
  Changing changing;
  auto front = Front::make(*lab.loop, {lab.root(), Mode::kAuto, std::chrono::milliseconds(100)},
                           changing, lab.observer, Logger());
  front->publish({{kResource, {device("a")}}});
  changing.front = front.get();
  SUBCASE("the pool's own list, and another pool") {
    changing.then = {{kResource, {device("a", false)}}, {"sluice.dev/other", {}}};
    CHECK(lab.call(kAllocate, allocate_request({{"a"}})) == allocate_answer({{}}));
    CHECK(lab.eventually(
        [&] { return std::filesystem::exists(lab.socket("sluice.dev_other.sock")); }));
  }
  SUBCASE("the pool itself goes") {
    CHECK(lab.call(kAllocate, allocate_request({{"a"}})).has_value());
    CHECK(lab.eventually([&] { return !std::filesystem::exists(lab.socket()); }));
  }
}

TEST_CASE("GetPreferredAllocation asks with what the kubelet said, and is never an error") {
  Served lab;
  lab.allocator.choice = {"b", "a"};
  v1beta1::PreferredAllocationRequest request;
  auto* container = request.add_container_requests();
  for (const char* id : {"a", "b", "c"}) container->add_available_deviceids(id);
  container->add_must_include_deviceids("b");
  container->set_allocation_size(2);
  const auto answer =
      lab.call("/v1beta1.DevicePlugin/GetPreferredAllocation", request.SerializeAsString());
  CHECK(answer == preferences_answer({{"b", "a"}}));
  CHECK(lab.allocator.available == Ids{"a", "b", "c"});
  CHECK(lab.allocator.must_include == Ids{"b"});
  CHECK(lab.allocator.size == 2);

  const auto nonsense = lab.call("/v1beta1.DevicePlugin/GetPreferredAllocation", "\x0a\x05");
  CHECK(nonsense == std::string());
  CHECK(lab.observer.calls["GetPreferredAllocation ok"] == 2);
}

TEST_CASE("hostile requests: refused, and the next one is served") {
  Served lab;
  lab.allocator.grants = {{"a", full_grant("a")}};
  CHECK(lab.call(kAllocate, "\x0a\x05").error().code == Code::kInvalid);
  CHECK(lab.call(kAllocate, allocate_request({{"a", "a"}})).error().code == Code::kInvalid);
  CHECK(lab.call(kAllocate, allocate_request(std::vector<Ids>(65))).error().code == Code::kInvalid);
  const std::string large(kMaxRequestBytes + 1, 'x');
  CHECK(lab.call(kAllocate, large).error().code == Code::kInvalid);
  CHECK(lab.call("/v1beta1.DevicePlugin/GetPreferredAllocation", large) == std::string());
  CHECK(lab.call("/v1beta1.DevicePlugin/Nonsense", "").error().code == Code::kUnsupported);
  // The plugin watcher's methods are only on its sockets.
  CHECK(lab.call("/pluginregistration.Registration/GetInfo", "").error().code ==
        Code::kUnsupported);
  CHECK(lab.allocator.asked.empty());
  CHECK(lab.call(kAllocate, allocate_request({{"a"}})).has_value());
  CHECK(lab.observer.calls["Allocate invalid"] == 4);
}

TEST_CASE("PreStartContainer has an empty answer") {
  Served lab;
  CHECK(lab.call("/v1beta1.DevicePlugin/PreStartContainer", "\x0a\x01\x61") == std::string());
}

TEST_CASE("an answer that is larger than a message is an error, not a broken stream") {
  Served lab;
  lab.allocator.grants["a"].envs["LARGE"] = std::string(litegrpc::kMaxMessageBytes, 'x');
  const auto answer = lab.call(kAllocate, allocate_request({{"a"}}));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Code::kExhausted);
}

TEST_CASE("stop in the middle of ListAndWatch") {
  Served lab;
  v1beta1::ListAndWatchResponse list;
  std::promise<void> first;
  auto ended = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    context.set_deadline(standin::in_seconds(20));
    const auto stub = lab.stub();
    const auto stream = stub->ListAndWatch(&context, {});
    if (stream->Read(&list)) first.set_value();
    v1beta1::ListAndWatchResponse more;
    while (stream->Read(&more)) {
    }
    return stream->Finish();
  });
  auto had = first.get_future();
  REQUIRE(lab.eventually(
      [&] { return had.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
  CHECK(lab.state().streams == 1);
  lab.front.reset();
  CHECK_FALSE(std::filesystem::exists(lab.socket()));
  REQUIRE(lab.eventually(
      [&] { return ended.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
  CHECK(ended.get().error_code() == grpc::StatusCode::UNAVAILABLE);
  REQUIRE(list.devices_size() == 2);
  CHECK(list.devices(0).health() == "Healthy");
  CHECK(list.devices(0).topology().nodes(0).id() == 1);
  CHECK(list.devices(1).health() == "Unhealthy");
  CHECK_FALSE(list.devices(1).has_topology());
}

}  // namespace
}  // namespace sluice::kubelet
