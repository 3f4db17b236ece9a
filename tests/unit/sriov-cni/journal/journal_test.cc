// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/journal/journal.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/unit/common/temp_dir.h"
#include "tests/unit/sriov-cni/journal/records.h"

using namespace sluice;
using namespace sluice::cni;

namespace {

std::string file_of(const std::string& id) { return "attachments/" + id_hash(id) + ".json"; }

}  // namespace

TEST_CASE("A record is kept until it is removed") {
  const test::TempDir dir;
  const auto journal = Journal::open(dir.path());
  REQUIRE(journal);
  auto record = test::full_record();
  CHECK_FALSE(journal->load(record.id())->has_value());
  REQUIRE(journal->save(record));
  record.stage = Stage::kPortReturned;
  REQUIRE(journal->save(record));
  CHECK((*journal->load(record.id()))->stage == Stage::kPortReturned);
  CHECK(journal->load_all()->records.size() == 1);
  REQUIRE(journal->remove(record.id()));
  REQUIRE(journal->remove(record.id()));
  CHECK_FALSE(journal->load(record.id())->has_value());
}

TEST_CASE("Files are where the first version had them, and its records know where they are") {
  const test::TempDir dir;
  dir.file(file_of("abc/eth0"), test::kVersion1);
  const auto journal = Journal::open(dir.path());
  const auto record = journal->load("abc/eth0");
  REQUIRE(record);
  REQUIRE(record->has_value());
  CHECK((*record)->ipam.state_dir == dir.path());
}

TEST_CASE("What can't be read is told apart, kept, and set aside when somebody says so") {
  const test::TempDir dir;
  const auto journal = Journal::open(dir.path());
  auto record = test::full_record();
  REQUIRE(journal->save(record));
  record.key.interface = "net1";
  dir.file(file_of("abc/net1"), print_record(record) + "x");
  dir.file(file_of("abc/net2"), R"({"version": 9})");
  dir.file(file_of("abc/net3"), print_record(record));  // another's
  dir.file("attachments/notes.txt", "no record");
  REQUIRE(std::filesystem::create_directory(dir / "attachments/0123456789abcdef.json"));
  dir.file("attachments/." + id_hash("x") + ".json.tmp", "");

  const auto all = journal->load_all();
  REQUIRE(all);
  CHECK(all->records.size() == 1);
  CHECK(all->damaged.size() == 3);
  CHECK(all->newer == std::vector<std::string>{dir / file_of("abc/net2")});
  CHECK(journal->load("abc/net1").error().code == Code::kInvalid);
  CHECK(journal->load("abc/net2").error().code == Code::kUnsupported);
  CHECK(journal->load("abc/net3").error().code == Code::kInvalid);

  REQUIRE(journal->set_aside("abc/net1"));
  REQUIRE(journal->set_aside("abc/net1"));
  CHECK(std::filesystem::exists(dir / ("damaged/" + id_hash("abc/net1") + ".json")));
  dir.file(file_of("abc/net1"), "again");
  REQUIRE(journal->set_aside_file(dir / file_of("abc/net1")));
  CHECK(std::filesystem::exists(dir / ("damaged/" + id_hash("abc/net1") + ".json.1")));
  CHECK_FALSE(journal->load("abc/net1")->has_value());
  CHECK_FALSE(journal->set_aside_file("/etc/passwd"));
}

TEST_CASE("Who only looks makes no directory") {
  const test::TempDir dir;
  CHECK(Journal::open_existing(dir / "none").error().code == Code::kNotFound);
  const auto journal = Journal::open_existing(dir.path());
  REQUIRE(journal);
  CHECK(journal->load_all()->records.empty());
  CHECK_FALSE(journal->load("abc/eth0")->has_value());
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("Who began with a VF for user space is noted beside the record") {
  const test::TempDir dir;
  const auto journal = Journal::open(dir.path());
  auto record = test::full_record();
  const auto vf = nic::PciAddress::parse(record.vf->pci).value();
  record.stage = Stage::kBegun;
  record.kind = PortKind::kNetdev;
  REQUIRE(journal->save(record));
  CHECK_FALSE(journal->holder_of(vf));
  CHECK(journal->holders()->empty());
  record.kind = PortKind::kUserSpace;
  REQUIRE(journal->save(record));
  CHECK(journal->holder_of(vf) == record.id());
  REQUIRE(journal->remove(record.id()));
  CHECK(journal->holders()->at(record.vf->pci) == record.id());
  auto successor = record;
  successor.key.container_id = "another";
  CHECK(journal->forget_holder(successor));  // has none: the other's stays
  CHECK(journal->holder_of(vf) == record.id());
  CHECK(journal->forget_holder(record));
  CHECK_FALSE(journal->holder_of(vf));
  REQUIRE(journal->save(record));
  dir.file("holders/" + record.vf->pci, std::string(4096, 'x'));
  CHECK_FALSE(journal->holder_of(vf));
}

TEST_CASE("A record that is too large is refused before it is written") {
  const test::TempDir dir;
  const auto journal = Journal::open(dir.path());
  auto record = test::full_record();
  record.ipam.text.assign(std::size_t{4} << 20U, '"');
  REQUIRE(journal->save(record));  // the largest configuration there can be
  record.ipam.text.assign(std::size_t{16} << 20U, 'x');
  CHECK_FALSE(journal->save(record));
  CHECK((*journal->load(record.id()))->ipam.text.size() == std::size_t{4} << 20U);
}

TEST_CASE("Whose a VF was last is kept after the record") {
  const test::TempDir dir;
  const auto journal = Journal::open(dir.path());
  auto record = test::full_record();
  const auto vf = nic::PciAddress::parse(record.vf->pci).value();
  CHECK_FALSE(journal->last_use(vf));
  REQUIRE(journal->remember(record, 1234));
  const auto use = journal->last_use(vf);
  REQUIRE(use);
  CHECK(use->pod == record.pod);
  CHECK(use->pod_uid == record.pod_uid);
  CHECK(use->given == record.given);
  CHECK(use->claim == record.claim);
  CHECK(use->ended == 1234);
  dir.file("devices/0000:3b:00.2", "{\"pod\": 7}");
  CHECK_FALSE(journal->last_use(vf));
  record.given_by.clear();
  record.vf->pci = "0000:3b:00.3";
  REQUIRE(journal->remember(record, 1));  // the device plugin had no part in it
  CHECK_FALSE(journal->last_use(nic::PciAddress::parse("0000:3b:00.3").value()));
}
