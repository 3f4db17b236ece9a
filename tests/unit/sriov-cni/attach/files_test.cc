// SPDX-License-Identifier: Apache-2.0
// The small files of a call: what the engine said last, and what is left for it.
#include <doctest/doctest.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/api/offload.pb.h"
#include "common/os/files.h"
#include "common/os/unique_fd.h"
#include "sriov-cni/attach/facts_cache.h"
#include "sriov-cni/attach/locks.h"
#include "sriov-cni/attach/pending.h"

namespace sluice::cni {
namespace {

struct Directory {
  Directory() {
    char pattern[] = "/tmp/sluice-attach-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    path = pattern;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string path;
};

NodeFacts some_facts() {
  NodeFacts facts;
  facts.node = "node-a";
  facts.pod_block = Prefix4::parse("10.244.1.0/24").value();
  facts.gateway = Ipv4::parse("169.254.1.1").value();
  facts.pod_mtu = 1450;
  facts.sysfs_root = "/sys";
  facts.pending_directory = "/run/sluice/pending";
  return facts;
}

TEST_CASE("facts are kept for the engine that said them, and replaced when they change") {
  const Directory dir;
  const auto file = dir.path + "/node-facts-" + id_hash("/run/a") + ".json";
  CHECK_FALSE(cached_facts(dir.path, "/run/a"));
  auto facts = some_facts();
  REQUIRE(keep_facts(dir.path, "/run/a", facts));
  CHECK(cached_facts(dir.path, "/run/a") == facts);
  CHECK_FALSE(cached_facts(dir.path, "/run/b"));
  auto others = facts;
  others.node = "node-b";
  REQUIRE(keep_facts(dir.path, "/run/b", others));
  CHECK(cached_facts(dir.path, "/run/a") == facts);
  CHECK(cached_facts(dir.path, "/run/b") == others);
  CHECK(all_cached_facts(dir.path).size() == 2);
  CHECK(all_cached_facts(dir.path + "/none").empty());
  const auto written = std::filesystem::last_write_time(file);
  REQUIRE(keep_facts(dir.path, "/run/a", facts));
  CHECK(std::filesystem::last_write_time(file) == written);
  facts.pod_mtu = 9000;
  REQUIRE(keep_facts(dir.path, "/run/a", facts));
  CHECK(cached_facts(dir.path, "/run/a") == facts);
}

TEST_CASE("facts that can't be read, or that no engine may say, count as none") {
  const Directory dir;
  REQUIRE(keep_facts(dir.path, "/run/a", some_facts()));
  const auto file = dir.path + "/node-facts-" + id_hash("/run/a") + ".json";
  const auto good = os::read_file(file).value();
  const auto with = [&](const std::string& from, const std::string& to) {
    auto text = good;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    std::ofstream(file) << text;
    return cached_facts(dir.path, "/run/a");
  };
  CHECK(with("node-a", "node-b"));
  CHECK_FALSE(with("1450", "10"));
  CHECK_FALSE(with("1450", "\"1450\""));
  CHECK_FALSE(with("\"/sys\"", "\"sys\""));
  CHECK_FALSE(with("10.244.1.0/24", "10.244.1.0"));
  CHECK_FALSE(with("\"version\": 1", "\"version\": 2"));
  CHECK_FALSE(with("{", ""));
}

Attachment some_attachment() {
  Attachment out;
  out.id = "c1/eth0";
  out.pod = "shop/web";
  out.interface = "eth0";
  out.mac = MacAddr::parse("02:00:00:00:00:01").value();
  out.ip = Ipv4::parse("10.244.1.2").value();
  out.pci = "0000:3b:00.2";
  out.port_mappings = {{8080, 80, "tcp", std::nullopt}};
  return out;
}

TEST_CASE("what is left for the engine is its request, named by the id's hash") {
  const Directory dir;
  const auto pending = dir.path + "/run/pending";
  CHECK_FALSE(is_pending(pending, "c1/eth0"));
  CHECK(take_pending_back(pending, id_hash("c1/eth0")) == false);
  REQUIRE(leave_pending(pending, some_attachment()));
  CHECK(is_pending(pending, "c1/eth0"));
  api::AttachRequest request;
  REQUIRE(request.ParseFromString(os::read_file(pending + "/" + id_hash("c1/eth0")).value()));
  CHECK(request.id() == "c1/eth0");
  CHECK(request.mac() == "02:00:00:00:00:01");
  CHECK(request.pci_address() == "0000:3b:00.2");
  REQUIRE(request.port_mappings_size() == 1);
  CHECK(request.port_mappings(0).host_ip().empty());
  CHECK(take_pending_back(pending, id_hash("c1/eth0")) == true);
  CHECK_FALSE(is_pending(pending, "c1/eth0"));
  CHECK(take_pending_back(pending, id_hash("c1/eth0")) == false);
  // What it refused to take in is taken back, too.
  std::ofstream(pending + "/" + id_hash("c1/eth0") + ".refused") << "x";
  CHECK(take_pending_back(pending, id_hash("c1/eth0")) == true);
  CHECK(std::filesystem::is_empty(pending));
}

TEST_CASE("a withdrawal says the id, beside where the file was") {
  const Directory dir;
  REQUIRE(leave_withdrawal(dir.path + "/pending", "c1/eth0"));
  CHECK(os::read_file(dir.path + "/pending/" + id_hash("c1/eth0") + ".gone").value() == "c1/eth0");
  CHECK_FALSE(is_pending(dir.path + "/pending", "c1/eth0"));
}

TEST_CASE("only an engine that isn't there is away") {
  const Directory dir;
  EngineTime time;
  CHECK(is_away(EngineClient(dir.path + "/none.sock", time).detach("c1/eth0").error()));
  std::ofstream(dir.path + "/file") << "x";
  CHECK(is_away(EngineClient(dir.path + "/file", time).detach("c1/eth0").error()));
  CHECK_FALSE(is_away(EngineClient(dir.path + "/file/x.sock", time).detach("c1/eth0").error()));
  CHECK_FALSE(is_away(EngineClient(dir.path + std::string(200, 'x'), time).detach("c").error()));
}

TEST_CASE("an engine that has not answered in time isn't asked again by the same call") {
  const Directory dir;
  const os::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = dir.path + "/silent.sock";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.get(), 8) == 0);
  EngineTime time;
  time.left = std::chrono::milliseconds(20);
  const EngineClient engine(path, time);
  CHECK(is_away(engine.detach("c1/eth0").error()));
  CHECK(time.silent);
  const auto again = engine.detach("c2/eth0");
  CHECK(is_away(again.error()));
  CHECK(again.error().message.find("any more") != std::string::npos);
}

TEST_CASE("the engine needs an IPv4 address") {
  Record record;
  record.key = {"c1", "eth0"};
  record.veth = "sl123";
  CniAddress address;
  address.address = IpPrefix::parse("fd00::1/64").value();
  record.result.addresses = {address};
  CHECK(to_attachment(record).error().message.find("eth0") != std::string::npos);
  address.address = IpPrefix::parse("10.244.1.2/32").value();
  record.result.addresses.push_back(address);
  REQUIRE(to_attachment(record));
  CHECK(to_attachment(record)->ip.to_string() == "10.244.1.2");
  CHECK(to_attachment(record)->veth == "sl123");
}

TEST_CASE("a lock that is held is said to be, others aren't touched by it") {
  const Directory dir;
  const auto hash = id_hash("c1/eth0");
  {
    const auto held = lock_attachment(dir.path, "c1/eth0").value();
    CHECK(held.size() == 1);
    CHECK_FALSE(try_lock_attachment(dir.path, hash).value());
    CHECK(try_lock_vf(dir.path, "0000:3b:00.2").value());
    const auto vfs = lock_vfs(dir.path, {"0000:3b:00.2", "0000:3b:00.3"}).value();
    CHECK(vfs.size() == 2);
    CHECK_FALSE(try_lock_vf(dir.path, "0000:3b:00.3").value());
  }
  CHECK(try_lock_attachment(dir.path, hash).value());
}

}  // namespace
}  // namespace sluice::cni
