// SPDX-License-Identifier: Apache-2.0
// The kubelet's side of the sockets.
#include "device-plugin/dra/service.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "common/litegrpc/call.h"
#include "device-plugin/dra/kubelet_dra.pb.h"
#include "tests/unit/common/temp_dir.h"
#include "tests/unit/device-plugin/dra/world.h"

namespace sluice::dra {
namespace {

using test::claim_json;

const char* const kDra = "/k8s.io.kubelet.pkg.apis.dra.";

struct World {
  World() {
    auto made = os::EventLoop::create();
    REQUIRE(made);
    loop = *std::move(made);
    auto opened = Claims::open({"n1", dir / "state", dir / "cdi"}, source, reader, Logger());
    REQUIRE(opened);
    claims = *std::move(opened);
    health = std::make_unique<HealthFeed>(*loop, [this] { return ++now; });
    std::filesystem::create_directories(registry());
    start();
  }

  void start() {
    Service::Hooks hooks;
    hooks.claims_changed = [this] { ++changes; };
    hooks.registered = [this](bool ok, const std::string& error) {
      registered = ok;
      registration_error = error;
    };
    auto started = Service::start(*loop, dir / "kubelet", *claims, *health, std::move(hooks),
                                  Logger(), std::chrono::milliseconds(5));
    REQUIRE(started);
    service = *std::move(started);
  }

  std::string registry() const { return dir / "kubelet/plugins_registry"; }

  // Until it is there.
  void wait_for(const std::string& path) const {
    const auto timer = loop->every(std::chrono::milliseconds(2), [&] {
      if (std::filesystem::exists(path)) loop->stop();
    });
    loop->run();
    loop->cancel(timer);
  }

  Result<std::string> call(const std::string& socket, const std::string& method,
                           const std::string& request) {
    Result<std::string> answer = fail(Code::kInternal, "no answer");
    const auto call = litegrpc::Call::start(*loop, socket, method, request,
                                            std::chrono::seconds(20), [&](Result<std::string> got) {
                                              answer = std::move(got);
                                              loop->stop();
                                            });
    loop->run();
    return answer;
  }
  Result<std::string> plugin(const std::string& method, const std::string& request) {
    return call(plugin_socket(dir / "kubelet"), method, request);
  }

  template <class Response>
  Response plugin_ok(const std::string& method, const google::protobuf::MessageLite& request) {
    const auto answer = plugin(method, request.SerializeAsString());
    REQUIRE(answer);
    Response response;
    REQUIRE(response.ParseFromString(*answer));
    return response;
  }

  sluice::test::TempDir dir;
  test::FakeSource source;
  test::FakeReader reader;
  std::unique_ptr<os::EventLoop> loop;
  std::unique_ptr<Claims> claims;
  std::unique_ptr<HealthFeed> health;
  std::unique_ptr<Service> service;
  std::int64_t now = 1000;
  int changes = 0;
  std::optional<bool> registered;
  std::string registration_error;
};

template <class Request>
Request request_for(const std::vector<ClaimRef>& claims) {
  Request out;
  for (const auto& claim : claims) {
    auto* entry = out.add_claims();
    entry->set_namespace_(claim.space);
    entry->set_uid(claim.uid);
    entry->set_name(claim.name);
  }
  return out;
}

}  // namespace

TEST_CASE("service: what the kubelet learns at registration") {
  World world;
  const std::string socket = registrar_socket(world.dir / "kubelet");
  CHECK(socket == world.dir / "kubelet/plugins_registry/sluice.dev-reg.sock");
  const auto answer = world.call(socket, "/pluginregistration.Registration/GetInfo", "");
  REQUIRE(answer);
  wire::PluginInfo info;
  REQUIRE(info.ParseFromString(*answer));
  CHECK(info.type() == "DRAPlugin");
  CHECK(info.name() == "sluice.dev");
  CHECK(info.endpoint() == world.dir / "kubelet/plugins/sluice.dev/dra.sock");
  CHECK(std::vector<std::string>(info.supported_versions().begin(),
                                 info.supported_versions().end()) ==
        std::vector<std::string>{"v1.DRAPlugin", "v1beta1.DRAPlugin", "v1.DRAResourceHealth",
                                 "v1alpha1.DRAResourceHealth"});
  wire::RegistrationStatus status;
  status.set_error("no \xc3\xa9ndpoint");
  REQUIRE(world.call(socket, "/pluginregistration.Registration/NotifyRegistrationStatus",
                     status.SerializeAsString()));
  CHECK(world.registered == false);
  CHECK(world.registration_error == "no ??ndpoint");
  status.Clear();
  status.set_plugin_registered(true);
  REQUIRE(world.call(socket, "/pluginregistration.Registration/NotifyRegistrationStatus",
                     status.SerializeAsString()));
  CHECK(world.registered == true);
}

TEST_CASE("service: prepare and unprepare, in both versions") {
  World world;
  const ClaimRef net{"shop", "uid-net", "net"}, other{"shop", "uid-other", "other"};
  world.reader.claims["shop/net"] = claim_json(net, {{"net", "n1", "0000-08-00-1"}});
  for (const std::string version : {"v1", "v1beta1"}) {
    CAPTURE(version);
    const std::string prefix = kDra + version + ".DRAPlugin/";
    const auto prepared = world.plugin_ok<wire::PrepareResponse>(
        prefix + "NodePrepareResources", request_for<wire::PrepareRequest>({net, other}));
    CHECK(prepared.claims_size() == 2);
    CHECK(prepared.claims().at("uid-other").error().find("no such claim") != std::string::npos);
    const auto& entry = prepared.claims().at("uid-net");
    CHECK(entry.error().empty());
    REQUIRE(entry.devices_size() == 1);
    CHECK(entry.devices(0).request_names(0) == "net");
    CHECK(entry.devices(0).pool_name() == "n1");
    CHECK(entry.devices(0).device_name() == "0000-08-00-1");
    CHECK(entry.devices(0).cdi_device_ids(0) == "sluice.dev/claim=uid-net-0000-08-00-1");
    CHECK(world.claims->count() == 1);
    const auto unprepared = world.plugin_ok<wire::UnprepareResponse>(
        prefix + "NodeUnprepareResources", request_for<wire::UnprepareRequest>({net, other}));
    CHECK(unprepared.claims_size() == 2);
    for (const auto& [uid, claim] : unprepared.claims()) CHECK(claim.error().empty());
    CHECK(world.claims->count() == 0);
  }
  CHECK(world.changes == 4);
}

TEST_CASE("service: what is no request is refused, and the next is served") {
  World world;
  const std::string method = std::string(kDra) + "v1.DRAPlugin/NodePrepareResources";
  CHECK(world.plugin(method, "\xff\xff\xff").error().code == Code::kInvalid);
  CHECK(world.plugin(std::string(kDra) + "v2.DRAPlugin/NodePrepareResources", "").error().code ==
        Code::kUnsupported);
  const ClaimRef hostile{"shop", "../x", "net"};
  const auto answer =
      world.plugin_ok<wire::PrepareResponse>(method, request_for<wire::PrepareRequest>({hostile}));
  CHECK(answer.claims().at("../x").error().find("uid") != std::string::npos);
  CHECK(world.plugin_ok<wire::PrepareResponse>(method, wire::PrepareRequest()).claims_size() == 0);
}

TEST_CASE("service: sockets that somebody removes are made again") {
  World world;
  const std::string socket = plugin_socket(world.dir / "kubelet");
  const std::string registrar = registrar_socket(world.dir / "kubelet");
  std::filesystem::remove_all(world.dir / "kubelet");
  world.wait_for(socket);
  CHECK(!std::filesystem::exists(world.registry()));  // the kubelet's to make
  std::filesystem::create_directories(world.registry());
  world.wait_for(registrar);
  CHECK(world.call(registrar, "/pluginregistration.Registration/GetInfo", ""));
  world.service.reset();
  CHECK(!std::filesystem::exists(socket));
  CHECK(!std::filesystem::exists(registrar));
}

TEST_CASE("service: the directory that the kubelet looks into is waited for, not made") {
  World world;
  const std::string registrar = registrar_socket(world.dir / "kubelet");
  world.service.reset();
  std::filesystem::remove_all(world.dir / "kubelet");
  world.start();
  CHECK(std::filesystem::exists(plugin_socket(world.dir / "kubelet")));
  int looks = 0;
  const auto timer = world.loop->every(std::chrono::milliseconds(6), [&] {
    if (++looks == 4) world.loop->stop();
  });
  world.loop->run();
  world.loop->cancel(timer);
  CHECK(!std::filesystem::exists(world.registry()));
  std::filesystem::create_directories(world.registry());
  world.wait_for(registrar);
  CHECK(world.call(registrar, "/pluginregistration.Registration/GetInfo", ""));
}

TEST_CASE("service: a second one on the same sockets is refused") {
  World world;
  const auto second = Service::start(*world.loop, world.dir / "kubelet", *world.claims,
                                     *world.health, {}, Logger());
  REQUIRE(!second);
  CHECK(second.error().code == Code::kExists);
  CHECK(world.call(registrar_socket(world.dir / "kubelet"),
                   "/pluginregistration.Registration/GetInfo", ""));
}

namespace {

class FakeStream final : public litegrpc::ServerStream {
 public:
  bool send(std::string message) override {
    if (stuck) return false;
    messages.push_back(std::move(message));
    return true;
  }
  void finish(Status status) override { finished = std::move(status); }
  bool open() const override { return is_open && !finished; }
  bool drained() const override { return true; }
  void on_closed(std::function<void()>) override {}
  void on_drained(std::function<void()>) override {}

  wire::WatchResponse last() const {
    wire::WatchResponse out;
    REQUIRE(!messages.empty());
    REQUIRE(out.ParseFromString(messages.back()));
    return out;
  }
  std::vector<std::string> messages;
  bool stuck = false, is_open = true;
  std::optional<Status> finished;
};

}  // namespace

TEST_CASE("health: all devices at the start, on a change, and again and again") {
  auto loop = *os::EventLoop::create();
  std::int64_t now = 1000;
  HealthFeed feed(
      *loop, [&] { return now; }, std::chrono::milliseconds(2));
  const auto stream = std::make_shared<FakeStream>();
  feed.add(stream);
  CHECK(stream->messages.empty());  // nothing is known yet: nothing is said
  feed.update({{{"n1", "a"}, ""}, {{"n1", "b"}, "no carrier"}});
  REQUIRE(stream->last().devices_size() == 2);
  CHECK(stream->last().devices(0).health() == wire::HEALTHY);
  CHECK(stream->last().devices(1).health() == wire::UNHEALTHY);
  CHECK(stream->last().devices(1).message() == "no carrier");
  CHECK(stream->last().devices(1).device().pool_name() == "n1");
  CHECK(stream->last().devices(1).last_updated_time() == 1000);
  CHECK(stream->last().devices(1).health_check_timeout_seconds() >
        std::chrono::duration_cast<std::chrono::seconds>(HealthFeed::kRepeat).count());
  feed.update({{{"n1", "a"}, ""}, {{"n1", "b"}, "no carrier"}});
  CHECK(stream->messages.size() == 1);
  now = 1020;
  const auto watch = loop->every(std::chrono::milliseconds(1), [&] {
    if (stream->messages.size() >= 3) loop->stop();
  });
  loop->run();
  loop->cancel(watch);
  CHECK(stream->last().devices(0).last_updated_time() == 1020);

  const auto late = std::make_shared<FakeStream>();
  feed.add(late);
  CHECK(late->last().devices_size() == 2);
  late->stuck = true;
  const auto before = stream->messages.size();
  feed.update({{{"n1", "a"}, ""}});
  CHECK(late->finished);  // ended; the other one goes on
  CHECK(stream->messages.size() == before + 1);
}

TEST_CASE("health: streams of the past don't fill the place of new ones") {
  auto loop = *os::EventLoop::create();
  HealthFeed feed(*loop, [] { return std::int64_t{1}; });
  feed.update({});
  std::vector<std::shared_ptr<FakeStream>> streams;
  for (int i = 0; i < 16; ++i) feed.add(streams.emplace_back(std::make_shared<FakeStream>()));
  const auto surplus = std::make_shared<FakeStream>();
  feed.add(surplus);
  CHECK(surplus->finished);
  streams[3]->is_open = false;
  const auto next = std::make_shared<FakeStream>();
  feed.add(next);
  CHECK(!next->finished);
}

TEST_CASE("health: the table has what is offered, ports, and what claims hold of the past") {
  test::Hardware hardware;
  auto offered = test::vfs(hardware, 2);
  offered[1].unhealthy = "driver \xff gone";
  PreparedClaims prepared;
  prepared["u"].devices = {{{"n1", "0000-09-00-0", {}}, "0000:09:00.0", {}, {}},
                           {{"n1-ports", "port-7", {}}, "", {}, {}},
                           {{"n1", "0000-08-00-0", {}}, "0000:08:00.0", {}, {}}};
  offered[0].only_held = true;  // offered to nobody, and well for the claim that has it
  CHECK(health_table(offered, prepared, "n1", 1) ==
        HealthTable{{{"n1", "0000-08-00-0"}, ""},
                    {{"n1", "0000-08-00-1"}, "driver ? gone"},
                    {{"n1", "0000-09-00-0"}, "the device is gone"},
                    {{"n1-ports", "port-0"}, ""},
                    {{"n1-ports", "port-7"}, ""}});
}

}  // namespace sluice::dra
