// SPDX-License-Identifier: Apache-2.0
#include "offload/rpc/server.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "common/api/offload.pb.h"
#include "tests/unit/common/temp_dir.h"
#include "tests/unit/offload/engine/fakes.h"

namespace sluice::rpc {
namespace {

constexpr Duration kPatience = std::chrono::seconds(30);

class TwoPorts final : public engine::DeviceDirectory {
 public:
  Result<model::PortId> port_of(const std::string& pci) const override {
    return fake_.port_of(pci);
  }
  std::vector<engine::PortView> ports() const override {
    engine::PortView host, vf;
    host.port = model::PortId::host();
    host.device = "sluice0";
    vf.port = model::PortId::vf(0);
    vf.device = "0000:00:01.0";
    vf.state = "up";
    vf.rx_packets = 11;
    vf.tx_dropped = 12;
    vf.note = "a note";
    return {host, vf};
  }

 private:
  engine::FakeDevices fake_;
};

// The socket, the engine behind it on a loop in its own thread, the NIC and the kernel as fakes.
class World {
 public:
  explicit World(bool with_manifest = true) {
    loop_ = std::move(*os::EventLoop::create());
    slow_ = std::make_unique<slowpath::SlowPath>(slowpath::Options{}, packets_, backend_, clock_,
                                                 rng_, Logger());
    slow_thread_ =
        std::move(*engine::SlowPathThread::create(packets_, *slow_, [](const Error&) {}));
    REQUIRE(slow_thread_->start());
    engine::NodeSettings settings;
    settings.node = "node-a";
    settings.gateway_ip = *Ipv4::parse("169.254.1.1");
    settings.gateway_mac = *MacAddr::parse("0e:53:4c:00:00:01");
    settings.node0_mac = *MacAddr::parse("0e:53:4c:00:00:02");
    settings.uplink_mac = *MacAddr::parse("02:00:00:00:00:01");
    settings.uplink_mtu = 1500;
    settings.vni = 7;
    settings.masquerade = {0xf000, 0xffff};
    engine_ = std::make_unique<engine::Engine>(
        settings,
        engine::Engine::Parts{*loop_, clock_, backend_, *slow_thread_, network_, hops_, devices_},
        *engine::Attachments::load(directory_ / "attachments"), Logger());
    if (with_manifest) {
      engine_->on_manifest(
          {{"node-a", *Ipv4::parse("172.30.0.11"), *Prefix4::parse("10.244.1.0/24")},
           {"node-b", *Ipv4::parse("172.30.0.12"), *Prefix4::parse("10.244.2.0/24")}},
          {});
    }
    ServerInfo info;
    info.version = "1.2.3";
    info.backend_reason = "told to";
    info.dpdk = "DPDK of the test";
    info.manifest = "/m.yaml";
    info.bridge = "sluice0";
    info.sysfs_root = "/sysfs";
    info.vf_control_socket = "/vf.sock";
    info.pending_directory = "/pending";
    auto server = serve(*loop_, socket(), *engine_, std::move(info));
    REQUIRE(server);
    server_ = std::move(*server);
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~World() {
    loop_->post([this] {
      server_.reset();
      loop_->stop();
    });
    thread_.join();
    slow_thread_->stop();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::string socket() const { return directory_ / "s"; }

  api::Response call_raw(std::string_view bytes) const {
    const auto answer = os::frame_call(socket(), bytes, kPatience);
    REQUIRE(answer);
    api::Response response;
    REQUIRE(response.ParseFromString(*answer));
    return response;
  }
  api::Response call(const api::Request& request) const {
    return call_raw(request.SerializeAsString());
  }

 private:
  test::TempDir directory_;
  ManualClock clock_;
  SeededRng rng_{1};
  engine::FakeBackend backend_;
  engine::FakeNetwork network_;
  engine::FakeNextHops hops_;
  TwoPorts devices_;
  engine::QuietPackets packets_;
  std::unique_ptr<os::EventLoop> loop_;
  std::unique_ptr<slowpath::SlowPath> slow_;
  std::unique_ptr<engine::SlowPathThread> slow_thread_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<os::FrameServer> server_;
  std::thread thread_;
};

api::Request attach_request() {
  api::Request request;
  auto& pod = *request.mutable_attach();
  pod.set_id("c1/eth0");
  pod.set_pod("shop/web-0");
  pod.set_interface("eth0");
  pod.set_mac("0a:58:0a:f4:01:02");
  pod.set_ip("10.244.1.2");
  pod.set_pci_address("0000:00:01.0");
  return request;
}

api::Request status_request() {
  api::Request request;
  request.mutable_status();
  return request;
}

bool has(const std::string& text, std::string_view piece) {
  return text.find(piece) != std::string::npos;
}

TEST_CASE("bytes that are no request are told so, and the next request is served") {
  const World world;
  using namespace std::string_view_literals;
  for (const auto bytes : {"\xff\xff\xff\xff"sv, "\x12\x7f"sv, "GET / HTTP/1.1\r\n\r\n"sv}) {
    CAPTURE(bytes);
    const auto response = world.call_raw(bytes);
    CHECK(response.failure().code() == "invalid");
    CHECK(response.result_case() == api::Response::RESULT_NOT_SET);
  }
  // A request that ends early, at every byte: an answer each, and no crash.
  const auto whole = attach_request().SerializeAsString();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK(world.call_raw(std::string_view(whole).substr(0, size)).has_failure());
  }
  CHECK(world.call(status_request()).has_status());
}

TEST_CASE("a call that this engine doesn't know is unsupported") {
  const World world;
  for (const std::string& bytes :
       {std::string(), std::string("\xa2\x06\x00", 3)}) {  // none, field 100
    const auto response = world.call_raw(bytes);
    CHECK(response.failure().code() == "unsupported");
    CHECK(has(response.failure().message(), "no call"));
  }
}

TEST_CASE("an attachment's fields are checked by name") {
  const World world;
  auto request = attach_request();
  request.mutable_attach()->set_mac("0a:58:0a:f4:01");
  auto response = world.call(request);
  CHECK(response.failure().code() == "invalid");
  CHECK(has(response.failure().message(), "mac"));
  CHECK(has(response.failure().message(), "0a:58:0a:f4:01"));

  request = attach_request();
  request.mutable_attach()->set_ip("10.244.1.300");
  response = world.call(request);
  CHECK(response.failure().code() == "invalid");
  CHECK(has(response.failure().message(), "ip"));
  CHECK(has(response.failure().message(), "10.244.1.300"));

  request = attach_request();
  request.mutable_attach()->set_pci_address("0000:00:09.0");
  CHECK(world.call(request).failure().code() == "not-found");
  CHECK(world.call(status_request()).status().attachments() == 0);
}

TEST_CASE("a pod is attached, listed at its port, detached") {
  const World world;
  api::Request list;
  list.mutable_list_ports();
  auto response = world.call(attach_request());
  REQUIRE_FALSE(response.has_failure());
  CHECK(response.attach().port() == "vf0");

  auto second = attach_request();
  second.mutable_attach()->set_id("c2/eth0");
  second.mutable_attach()->set_pod("shop/web-1");
  second.mutable_attach()->set_mac("0a:58:0a:f4:01:03");
  second.mutable_attach()->set_ip("10.244.1.3");
  second.mutable_attach()->clear_pci_address();
  second.mutable_attach()->set_veth("sl0123456789a");
  CHECK(world.call(second).attach().port() == "host");

  response = world.call(list);
  REQUIRE(response.ports().ports_size() == 2);
  CHECK(response.ports().ports(0).name() == "host");
  CHECK(response.ports().ports(0).pod() == "shop/web-1 eth0");
  const auto& vf = response.ports().ports(1);
  CHECK(vf.name() == "vf0");
  CHECK(vf.device() == "0000:00:01.0");
  CHECK(vf.pod() == "shop/web-0 eth0");
  CHECK(vf.state() == "up");
  CHECK(vf.rx_packets() == 11);
  CHECK(vf.tx_dropped() == 12);
  CHECK(vf.note() == "a note");

  api::Request detach;
  detach.mutable_detach()->set_id("c1/eth0");
  CHECK(world.call(detach).detach().existed());
  response = world.call(detach);
  CHECK_FALSE(response.has_failure());
  CHECK_FALSE(response.detach().existed());
  CHECK(world.call(list).ports().ports(1).pod().empty());
}

TEST_CASE("an attachment is checked with its port mappings") {
  const World world;
  auto attach = attach_request();
  auto& mapping = *attach.mutable_attach()->add_port_mappings();
  mapping.set_host_port(8080);
  mapping.set_container_port(80);
  mapping.set_protocol("tcp");
  api::Request check;
  *check.mutable_check_attachment()->mutable_attachment() = attach.attach();
  auto response = world.call(check);
  REQUIRE(response.has_check_attachment());
  CHECK(response.check_attachment().port().empty());
  CHECK(response.check_attachment().problem() == "unknown");

  REQUIRE_FALSE(world.call(attach).has_failure());
  response = world.call(check);
  CHECK(response.check_attachment().port() == "vf0");
  CHECK(response.check_attachment().problem().empty());

  check.mutable_check_attachment()->mutable_attachment()->clear_port_mappings();
  response = world.call(check);
  CHECK(response.check_attachment().port() == "vf0");
  CHECK(has(response.check_attachment().problem(), "port mappings"));
  check.mutable_check_attachment()->mutable_attachment()->set_mac("junk");
  CHECK(world.call(check).failure().code() == "invalid");
}

TEST_CASE("a port mapping that is wrong or taken is refused by name") {
  const World world;
  auto request = attach_request();
  auto& mapping = *request.mutable_attach()->add_port_mappings();
  mapping.set_host_port(70000);
  mapping.set_container_port(80);
  mapping.set_protocol("tcp");
  auto response = world.call(request);
  CHECK(response.failure().code() == "invalid");
  CHECK(has(response.failure().message(), "host_port '70000'"));
  CHECK(has(response.failure().message(), "port_mappings[0]"));

  mapping.set_host_port(8080);
  REQUIRE_FALSE(world.call(request).has_failure());
  auto& second = *request.mutable_attach();
  second.set_id("c2/eth0");
  second.set_mac("0a:58:0a:f4:01:03");
  second.set_ip("10.244.1.3");
  second.set_pci_address("0000:00:01.1");
  response = world.call(request);
  CHECK(response.failure().code() == "exists");
  CHECK(has(response.failure().message(), "shop/web-0"));
}

TEST_CASE("status says what the engine and what the daemon knows") {
  const World world;
  REQUIRE_FALSE(world.call(attach_request()).has_failure());
  const auto response = world.call(status_request());
  REQUIRE(response.has_status());
  const auto& status = response.status();
  CHECK(status.version() == "1.2.3");
  CHECK(status.node() == "node-a");
  CHECK(status.backend() == "fake");
  CHECK(status.backend_reason() == "told to");
  CHECK(status.device() == "fake0");
  CHECK(status.vfs() == 8);
  CHECK(status.rules() > 0);
  CHECK(status.refused() == 0);
  CHECK(status.connections() == 0);
  CHECK(status.manifest() == "/m.yaml");
  CHECK(status.manifest_error().empty());
  CHECK(status.nodes() == 2);
  CHECK(status.services() == 0);
  CHECK(status.attachments() == 1);
  CHECK(status.slow_packets() == 0);
  CHECK(status.dpdk() == "DPDK of the test");
}

TEST_CASE("a rule is listed with its words; connections only leaves rules out") {
  const World world;
  REQUIRE_FALSE(world.call(attach_request()).has_failure());
  api::Request request;
  request.mutable_list_flows();
  const auto response = world.call(request);
  REQUIRE(response.flows().flows_size() > 0);
  int of_the_pod = 0;
  for (const auto& flow : response.flows().flows()) {
    CHECK_FALSE(flow.stage().empty());
    CHECK_FALSE(flow.actions().empty());
    CHECK(flow.tier() == "hardware");
    of_the_pod += flow.owner() == "attachment/c1/eth0" ? 1 : 0;
  }
  CHECK(of_the_pod > 0);
  request.mutable_list_flows()->set_connections_only(true);
  CHECK(world.call(request).flows().flows_size() == 0);
}

TEST_CASE("deleting the flow of a connection that isn't there is no error") {
  const World world;
  api::Request request;
  request.mutable_delete_flow()->set_connection(4711);
  const auto response = world.call(request);
  REQUIRE(response.has_delete_flow());
  CHECK_FALSE(response.delete_flow().existed());
}

TEST_CASE("what the CNI program asks first") {
  api::Request request;
  request.mutable_node_info();
  SUBCASE("no manifest has named the node yet") {
    const World world(false);
    CHECK(world.call(request).failure().code() == "unavailable");
  }
  SUBCASE("the node is known") {
    const World world;
    const auto response = world.call(request);
    REQUIRE(response.has_node_info());
    const auto& info = response.node_info();
    CHECK(info.node() == "node-a");
    CHECK(info.pod_cidr() == "10.244.1.0/24");
    CHECK(info.gateway_ip() == "169.254.1.1");
    CHECK(info.gateway_mac() == "0e:53:4c:00:00:01");
    CHECK(info.pod_mtu() == 1450);
    CHECK(info.bridge() == "sluice0");
    CHECK(info.sysfs_root() == "/sysfs");
    CHECK(info.vf_control_socket() == "/vf.sock");
    CHECK(info.pending_directory() == "/pending");
  }
}

}  // namespace
}  // namespace sluice::rpc
