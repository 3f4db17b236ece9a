// SPDX-License-Identifier: Apache-2.0
// The small files of a call: what the engine said last, and what is left for it.
#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/api/offload.pb.h"
#include "common/os/files.h"
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
  const auto file = dir.path + "/node-facts.json";
  CHECK_FALSE(cached_facts(dir.path, "/run/a"));
  auto facts = some_facts();
  REQUIRE(keep_facts(dir.path, "/run/a", facts));
  CHECK(cached_facts(dir.path, "/run/a") == facts);
  CHECK(any_cached_facts(dir.path) == facts);
  CHECK_FALSE(cached_facts(dir.path, "/run/b"));
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
  const auto good = os::read_file(dir.path + "/node-facts.json").value();
  const auto with = [&](const std::string& from, const std::string& to) {
    auto text = good;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    std::ofstream(dir.path + "/node-facts.json") << text;
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
