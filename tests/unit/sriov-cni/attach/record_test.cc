// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "sriov-cni/attach/record.h"

namespace sluice::cni {
namespace {

class TempDir {
 public:
  TempDir() {
    char pattern[] = "/tmp/sluice-record-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    path_ = pattern;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Record full_record() {
  Record out;
  out.id = "abc/eth0";
  out.interface = "eth0";
  out.pod = "shop/web-0";
  out.netns = "/run/netns/x";
  out.netns_inode = 4026532000;
  out.node = "node-a";
  out.mac = MacAddr::parse("0a:58:0a:f4:01:02").value();
  out.ip = Ipv4::parse("10.244.1.2").value();
  out.pci = "0000:3b:00.2";
  out.host_name = "vf0";
  out.host_mac = MacAddr::parse("02:00:00:00:00:01").value();
  out.host_mtu = 1500;
  out.sysfs_root = "/run/sluice/sys";
  out.vf_control_socket = "/run/sluice/vf.sock";
  out.port_returned = true;
  out.pod_uid = "3f1c";
  out.others = {"abc/net1", "abc/net2"};
  out.first = "abc/eth9";
  out.given = 18446744073709551615ULL;
  out.given_by = "start 7";
  out.claim = "shop/net";
  return out;
}

TEST_CASE("what is saved is loaded again, field by field") {
  const TempDir dir;
  const auto records = RecordStore::open(dir.path()).value();
  CHECK_FALSE(records.load("abc/eth0").value());
  const auto saved = full_record();
  REQUIRE(records.save(saved));
  const auto loaded = records.load("abc/eth0").value();
  REQUIRE(loaded);
  CHECK(loaded->interface == saved.interface);
  CHECK(loaded->pod == saved.pod);
  CHECK(loaded->netns == saved.netns);
  CHECK(loaded->netns_inode == saved.netns_inode);
  CHECK(loaded->node == saved.node);
  CHECK(loaded->mac == saved.mac);
  CHECK(loaded->ip == saved.ip);
  CHECK(loaded->pci == saved.pci);
  CHECK(loaded->host_name == saved.host_name);
  CHECK(loaded->host_mac == saved.host_mac);
  CHECK(loaded->host_mtu == saved.host_mtu);
  CHECK(loaded->sysfs_root == saved.sysfs_root);
  CHECK(loaded->vf_control_socket == saved.vf_control_socket);
  CHECK(loaded->port_returned);
  CHECK(loaded->pod_uid == saved.pod_uid);
  CHECK(loaded->others == saved.others);
  CHECK(loaded->first == saved.first);
  CHECK(loaded->given == saved.given);
  CHECK(loaded->given_by == saved.given_by);
  CHECK(loaded->claim == saved.claim);
  CHECK(records.load_all().value().size() == 1);
  REQUIRE(records.remove("abc/eth0"));
  REQUIRE(records.remove("abc/eth0"));
  CHECK_FALSE(records.load("abc/eth0").value());
}

TEST_CASE("damaged records are errors that name the file, and don't hide the others") {
  const TempDir dir;
  const auto records = RecordStore::open(dir.path()).value();
  REQUIRE(records.save(full_record()));
  const auto path = dir.path() + "/attachments/" + id_hash("bad/eth0") + ".json";
  for (const char* text : {"", "[]", "{}", R"({"version":2})", R"({"version":1,"id":7})"}) {
    INFO(text);
    std::ofstream(path) << text;
    const auto loaded = records.load("bad/eth0");
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().to_string().find(path) != std::string::npos);
    CHECK(records.load_all().value().size() == 1);
  }
  auto other = full_record();
  other.id = "other/eth0";
  REQUIRE(records.save(other));
  std::filesystem::rename(dir.path() + "/attachments/" + id_hash("other/eth0") + ".json", path);
  CHECK_FALSE(records.load("bad/eth0"));
}

TEST_CASE("a record of an older version, without the later fields, is read") {
  const TempDir dir;
  const auto records = RecordStore::open(dir.path()).value();
  std::ofstream(dir.path() + "/attachments/" + id_hash("abc/eth0") + ".json")
      << R"({"version":1,"id":"abc/eth0","interface":"eth0","pod":"shop/web-0","netns":"/run/n",
             "netnsInode":7,"node":"node-a","mac":"0a:58:0a:f4:01:02","ip":"10.244.1.2",
             "pci":"0000:3b:00.2","hostName":"vf0","hostMac":"02:00:00:00:00:01","hostMtu":1500,
             "sysfsRoot":"/sys","vfControlSocket":"","portReturned":false})";
  const auto loaded = records.load("abc/eth0");
  REQUIRE(loaded);
  REQUIRE(*loaded);
  CHECK((*loaded)->pci == "0000:3b:00.2");
  CHECK((*loaded)->pod_uid.empty());
  CHECK((*loaded)->others.empty());
  CHECK((*loaded)->first.empty());
  CHECK((*loaded)->given == 0);
  CHECK((*loaded)->given_by.empty());
  CHECK_FALSE((*loaded)->claim);
}

TEST_CASE("whose a VF was last outlives its record, where the device plugin gave it") {
  const TempDir dir;
  const auto records = RecordStore::open(dir.path()).value();
  const nic::PciAddress vf{0, 0x3b, 0, 2};
  CHECK_FALSE(records.last_use(vf));
  auto record = full_record();
  for (auto field : {&Record::pci, &Record::pod_uid, &Record::given_by}) {
    auto without = full_record();
    (without.*field).clear();
    REQUIRE(records.remember(without, 7));
    CHECK_FALSE(records.last_use(vf));
  }
  REQUIRE(records.remember(record, 7));
  const auto last = records.last_use(vf);
  REQUIRE(last);
  CHECK(last->pod == "shop/web-0");
  CHECK(last->pod_uid == "3f1c");
  CHECK(last->given == record.given);
  CHECK(last->given_by == "start 7");
  CHECK(last->claim == "shop/net");
  CHECK(last->ended == 7);
  record.pod_uid = "77";
  REQUIRE(records.remember(record, 7));
  CHECK(records.last_use(vf)->pod_uid == "77");
  std::ofstream(dir.path() + "/devices/0000:3b:00.2")
      << R"({"pod":"shop/web-0","podUid":"3f1c","given":4,"givenBy":"start 6"})";
  const auto older = records.last_use(vf);
  REQUIRE(older);
  CHECK_FALSE(older->claim);
  CHECK(older->ended == 0);  // long ago
  for (const char* text : {"", "[]", "{}", R"({"pod":1,"podUid":"x","given":1,"givenBy":"y"})"}) {
    std::ofstream(dir.path() + "/devices/0000:3b:00.2") << text;
    CHECK_FALSE(records.last_use(vf));
  }
  record.pci = "../../x";
  CHECK_FALSE(records.remember(record, 7));
}

TEST_CASE("names made of the id are stable and fit the kernel's limits") {
  CHECK(veth_name("abc/eth0") == veth_name("abc/eth0"));
  CHECK(veth_name("abc/eth0") != veth_name("abc/eth1"));
  CHECK(veth_name("abc/eth0").size() == 13);
  CHECK(id_hash("").size() == 16);
  CHECK(full_record().alias() == "sluice:" + id_hash("abc/eth0"));
}

}  // namespace
}  // namespace sluice::cni
