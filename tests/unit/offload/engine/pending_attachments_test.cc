// SPDX-License-Identifier: Apache-2.0
#include "offload/engine/pending_attachments.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>

#include "common/api/offload.pb.h"
#include "common/os/files.h"
#include "tests/unit/offload/engine/world.h"

namespace sluice::engine {
namespace {

namespace fs = std::filesystem;

std::string request_of(const AttachSpec& spec) {
  api::AttachRequest request;
  request.set_id(spec.id);
  request.set_pod(spec.pod);
  request.set_interface(spec.interface);
  request.set_mac(spec.mac.to_string());
  request.set_ip(spec.ip.to_string());
  request.set_pci_address(spec.pci_address);
  request.set_veth(spec.veth);
  return request.SerializeAsString();
}

struct Pending {
  explicit Pending(bool with_manifest = true) {
    if (with_manifest) world.engine->on_manifest(World::nodes(), {});
  }
  void start() {
    auto started = PendingAttachments::start(*world.loop, *world.engine, directory, Logger());
    REQUIRE(started);
    pending = std::move(*started);
  }
  std::string path(const std::string& name) const { return directory + "/" + name; }
  void leave(const std::string& name, const std::string& bytes) const {
    REQUIRE(os::make_directories(directory, 0700));
    REQUIRE(os::write_file_atomic(path(name), bytes, 0600));
  }
  bool is_there(const std::string& name) const { return fs::exists(path(name)); }
  bool attached(const std::string& id) const {
    const auto& all = world.engine->attachments();
    return std::any_of(all.begin(), all.end(), [&](const auto& a) { return a.id == id; });
  }
  bool await_taken(const std::string& name, const std::string& id) {
    return world.run_until([&] { return attached(id) && !is_there(name); });
  }

  World world;
  std::string directory = world.directory / "pending";
  std::unique_ptr<PendingAttachments> pending;
};

TEST_CASE("what lies there at the start is attached, and so is what comes later") {
  Pending p;
  p.leave("0a1b", request_of(World::vf_pod()));
  p.start();
  CHECK(p.await_taken("0a1b", "c1/eth0"));
  CHECK(p.world.backend.rules_of("attachment/c1/eth0") > 0);
  p.leave("0c2d", request_of(World::veth_pod()));
  CHECK(p.await_taken("0c2d", "c2/eth0"));
  CHECK(p.world.network.ports.contains("sl0123456789a"));
}

TEST_CASE("the directory is its owner's only, whatever it was before") {
  Pending p;
  p.world.directory.directory("pending");
  REQUIRE(::chmod(p.directory.c_str(), 0755) == 0);
  p.start();
  CHECK((fs::status(p.directory).permissions() & fs::perms::all) == fs::perms::owner_all);
}

TEST_CASE("what is attached already only loses its file") {
  Pending p;
  REQUIRE(p.world.attach(World::vf_pod()));
  p.leave("0a1b", request_of(World::vf_pod()));
  p.start();
  CHECK(p.await_taken("0a1b", "c1/eth0"));
  CHECK(p.world.engine->attachments().size() == 1);
}

TEST_CASE("without a manifest it waits, and then goes on by itself") {
  Pending p(false);
  p.leave("0a1b", request_of(World::vf_pod()));
  p.start();
  p.world.loop->after(std::chrono::milliseconds(50),
                      [&] { p.world.engine->on_manifest(World::nodes(), {}); });
  CHECK(p.await_taken("0a1b", "c1/eth0"));
}

TEST_CASE("what fails for now stays and is tried again, the others are not held up") {
  Pending p;
  p.world.network.refuse_ports = true;
  p.leave("0a", request_of(World::veth_pod()));
  p.leave("0b", request_of(World::vf_pod()));
  p.start();
  REQUIRE(p.await_taken("0b", "c1/eth0"));
  CHECK(p.is_there("0a"));
  CHECK_FALSE(p.attached("c2/eth0"));
  p.world.network.refuse_ports = false;
  CHECK(p.await_taken("0a", "c2/eth0"));
}

TEST_CASE("a file that goes before it is taken in was never there") {
  Pending p;
  p.world.network.refuse_ports = true;
  p.leave("0a", request_of(World::veth_pod()));
  p.leave("0b", request_of(World::vf_pod()));
  p.start();
  REQUIRE(p.await_taken("0b", "c1/eth0"));
  REQUIRE(os::remove_file(p.path("0a")));
  p.world.network.refuse_ports = false;
  auto last = World::vf_pod();
  last.id = "c3/eth0";
  last.mac = *MacAddr::parse("0a:58:0a:f4:01:04");
  last.ip = *Ipv4::parse("10.244.1.4");
  last.pci_address = "0000:00:01.1";
  p.leave("0c", request_of(last));
  REQUIRE(p.await_taken("0c", "c3/eth0"));
  CHECK_FALSE(p.attached("c2/eth0"));
}

TEST_CASE("a file that goes while it is being attached takes the attachment along") {
  Pending p;
  p.leave("0a", request_of(World::veth_pod()));
  p.world.network.on_add_port = [&] { REQUIRE(os::remove_file(p.path("0a"))); };
  p.start();
  CHECK(
      p.world.run_until([&] { return p.world.network.ports_ever == 1 && !p.attached("c2/eth0"); }));
  CHECK(p.world.network.ports.empty());
}

TEST_CASE("what can't be read is put aside, once, and harms nobody else") {
  Pending p;
  p.leave("01", "\xff\xff\xff\xff");
  p.leave("02", "");
  p.leave("03", std::string(std::size_t{1} << 20U, 'x'));
  auto bad_ip = World::vf_pod();
  std::string bytes = request_of(bad_ip);
  bytes.replace(bytes.find("10.244.1.2"), 10, "10.244.1.x");
  p.leave("04", bytes);
  REQUIRE(::mkfifo(p.path("05").c_str(), 0600) == 0);
  p.leave("half.tmp", request_of(World::veth_pod()));
  p.leave("0b", request_of(World::vf_pod()));
  p.start();
  REQUIRE(p.await_taken("0b", "c1/eth0"));
  for (const char* name : {"01", "02", "03", "04", "05"}) {
    CAPTURE(name);
    CHECK_FALSE(p.is_there(name));
    CHECK(p.is_there(std::string(name) + ".refused"));
  }
  CHECK(p.is_there("half.tmp"));
  CHECK(p.world.engine->attachments().size() == 1);
}

TEST_CASE("what was undone while no engine was there is detached, before anybody can call") {
  Pending p;
  REQUIRE(p.world.attach(World::vf_pod()));
  REQUIRE(p.world.attach(World::veth_pod()));
  p.leave("0a1b.gone", "c1/eth0");
  p.leave("0c.gone", "never/eth0");
  p.start();
  CHECK_FALSE(p.attached("c1/eth0"));
  CHECK(p.world.run_until([&] { return !p.is_there("0a1b.gone") && !p.is_there("0c.gone"); }));
  CHECK(p.attached("c2/eth0"));
  p.leave("0d.gone", "c2/eth0");
  CHECK(p.world.run_until([&] { return !p.attached("c2/eth0") && !p.is_there("0d.gone"); }));
}

TEST_CASE("a new attachment of the same name is taken in after the old one was withdrawn") {
  Pending p;
  REQUIRE(p.world.attach(World::vf_pod()));
  p.leave("0a1b.gone", "c1/eth0");
  auto again = World::vf_pod();
  again.ip = *Ipv4::parse("10.244.1.9");
  p.leave("0a1b", request_of(again));
  p.start();
  REQUIRE(p.await_taken("0a1b", "c1/eth0"));
  CHECK_FALSE(p.is_there("0a1b.gone"));
  REQUIRE(p.world.engine->attachments().size() == 1);
  CHECK(p.world.engine->attachments().front().ip == again.ip);
}

TEST_CASE("a withdrawn attachment's address is another's, whose file lies beside the withdrawal") {
  Pending p;
  REQUIRE(p.world.attach(World::veth_pod()));
  p.leave("0z.gone", World::veth_pod().id);
  auto next = World::veth_pod();
  next.id = "c9/eth0";
  p.leave("0a", request_of(next));
  p.start();
  REQUIRE(p.await_taken("0a", "c9/eth0"));
  CHECK_FALSE(p.attached(World::veth_pod().id));
  CHECK(p.world.run_until([&] { return !p.is_there("0z.gone"); }));
  CHECK(p.attached("c9/eth0"));
}

TEST_CASE("a withdrawal that says nothing sensible is put aside, or removed") {
  Pending p;
  REQUIRE(p.world.attach(World::vf_pod()));
  p.leave("0a.gone", std::string(4096, 'x'));
  REQUIRE(::mkfifo(p.path("0b.gone").c_str(), 0600) == 0);
  p.leave("0c.gone", "");
  p.start();
  CHECK(p.world.run_until([&] { return !p.is_there("0c.gone") && !p.is_there("0b.gone"); }));
  CHECK(p.is_there("0a.gone.refused"));
  CHECK(p.attached("c1/eth0"));
}

TEST_CASE("a directory that somebody takes away is made again") {
  Pending p;
  p.start();
  p.leave("0a", request_of(World::vf_pod()));
  REQUIRE(p.await_taken("0a", "c1/eth0"));
  REQUIRE(os::remove_tree(p.directory));
  REQUIRE(p.world.run_until([&] { return fs::exists(p.directory); }));
  p.leave("0c", request_of(World::veth_pod()));
  CHECK(p.await_taken("0c", "c2/eth0"));
}

}  // namespace
}  // namespace sluice::engine
