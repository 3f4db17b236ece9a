// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/claims.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "common/os/files.h"
#include "tests/unit/common/temp_dir.h"
#include "tests/unit/device-plugin/dra/world.h"

namespace sluice::dra {
namespace {

using nlohmann::json;
using test::claim_json;
using test::FakeReader;
using test::FakeSource;

const ClaimRef kNet{"shop", "uid-net", "net"};
const ClaimRef kOther{"shop", "uid-other", "other"};

struct World {
  World() { open(); }

  void open() {
    auto made = Claims::open({"n1", dir / "state", dir / "cdi"}, source, reader, Logger());
    REQUIRE(made);
    claims = *std::move(made);
  }
  void restart() {
    claims.reset();
    source.holder.clear();  // a new process knows of nobody
    open();
  }

  void allot(const ClaimRef& claim, const std::vector<test::Given>& given) {
    reader.claims[claim.space + "/" + claim.name] = claim_json(claim, given);
  }
  Claims::Answer prepare(const std::vector<ClaimRef>& refs) {
    Claims::Answer out;
    std::size_t answers = 0;
    claims->prepare(refs, [&](Claims::Answer answer) {
      out = std::move(answer);
      ++answers;
    });
    REQUIRE(answers == 1);
    return out;
  }
  Status unprepare(const ClaimRef& claim) { return claims->unprepare({claim}).at(claim.uid); }

  std::vector<std::string> cdi_files() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(dir / "cdi")) {
      out.push_back(entry.path().string());
    }
    return out;
  }
  json cdi_file() const {
    const auto files = cdi_files();
    REQUIRE(files.size() == 1);
    return json::parse(*os::read_file(files[0]));
  }
  std::string checkpoint() const { return dir / "state/dra-checkpoint.json"; }

  sluice::test::TempDir dir;
  FakeSource source;
  FakeReader reader;
  std::unique_ptr<Claims> claims;
};

}  // namespace

TEST_CASE("claims: prepared, remembered, unprepared") {
  World world;
  world.allot(kNet, {{"net/vf", "n1", "0000-08-00-1"}, {"spare", "n1-ports", "port-4"}});
  const auto answer = world.prepare({kNet});
  REQUIRE(answer.at(kNet.uid));
  const auto& devices = *answer.at(kNet.uid);
  REQUIRE(devices.size() == 2);
  CHECK(devices[0].allotted == Allotted{"n1", "0000-08-00-1", {"net"}});
  CHECK(devices[0].cdi_devices ==
        std::vector<std::string>{"sluice.dev/claim=uid-net-0000-08-00-1"});
  CHECK(world.source.holder.at("0000:08:00.1") == kNet.uid);
  CHECK(world.claims->uses() ==
        std::map<std::string, pools::Use>{
            {"0000:08:00.1", {pools::Use::Front::kDra, "", "claim shop/net"}}});
  CHECK(parse_checkpoint(*os::read_file(world.checkpoint()))->size() == 1);

  const auto spec = world.cdi_file();
  CHECK(spec.at("kind") == "sluice.dev/claim");
  REQUIRE(spec.at("devices").size() == 2);
  const std::string text = spec.dump();
  CHECK(text.find("SLUICE_REQUEST_NET=0000:08:00.1") != std::string::npos);
  CHECK(text.find("SLUICE_REQUEST_SPARE=port-4") != std::string::npos);
  CHECK(text.find("SLUICE_DEVICE_0000_08_00_1_INFO=") != std::string::npos);
  CHECK(text.find("/dev/vfio/7") != std::string::npos);

  CHECK(world.unprepare(kNet));
  CHECK(world.source.holder.empty());
  CHECK(world.claims->uses().empty());
  CHECK(world.cdi_files().empty());
  CHECK(world.unprepare(kNet));  // nobody knows it any more
}

TEST_CASE("claims: again is the same answer, also while the API server is away") {
  World world;
  world.allot(kNet, {{"net", "n1", "0000-08-00-1"}});
  const auto first = world.prepare({kNet});
  CHECK(*world.prepare({kNet}).at(kNet.uid) == *first.at(kNet.uid));
  world.reader.away = Error{Code::kUnavailable, {}, 0, "nobody there", {}, Retry::kLater};
  CHECK(*world.prepare({kNet}).at(kNet.uid) == *first.at(kNet.uid));
  const auto other = world.prepare({kNet, kOther});
  CHECK(other.at(kNet.uid));
  REQUIRE(!other.at(kOther.uid));
  CHECK(other.at(kOther.uid).error().message == "nobody there");
}

TEST_CASE("claims: an entry for every claim, each by itself all or nothing") {
  World world;
  world.allot(kNet, {{"a", "n1", "0000-08-00-1"}, {"b", "n1", "0000-08-00-2"}});
  world.allot(kOther, {{"a", "n1", "0000-08-00-3"}});
  world.source.unusable = {"0000:08:00.2"};
  const ClaimRef hostile{"shop", "../../etc/x", "net"};
  const auto answer = world.prepare({kNet, kOther, hostile, kNet});
  CHECK(answer.size() == 3);
  REQUIRE(!answer.at(kNet.uid));
  CHECK(answer.at(kNet.uid).error().message.find("no carrier") != std::string::npos);
  CHECK(answer.at(kOther.uid));
  CHECK(!answer.at(hostile.uid));
  // What the failed one had already taken is free again.
  CHECK(world.source.holder == std::map<std::string, std::string>{{"0000:08:00.3", kOther.uid}});
  CHECK(world.claims->count() == 1);
  CHECK(world.cdi_files().size() == 1);
}

TEST_CASE("claims: devices that aren't this node's, or another claim's") {
  World world;
  const auto refuse = [&](const test::Given& given) {
    world.allot(kOther, {given});
    const auto answer = world.prepare({kOther});
    REQUIRE(!answer.at(kOther.uid));
    return answer.at(kOther.uid).error().to_string();
  };
  CHECK(refuse({"a", "n2", "0000-08-00-1"}).find("'n1-ports'") != std::string::npos);
  CHECK(refuse({"a", "n1-ports", "0000-08-00-1"}).find("pool") != std::string::npos);
  CHECK(refuse({"a", "n1", "port-1"}).find("no name") != std::string::npos);
  CHECK(refuse({"a", "n1", "../x"}).find("no name") != std::string::npos);
  CHECK(world.source.takes == 0);
  world.allot(kNet, {{"net", "n1", "0000-08-00-1"}});
  REQUIRE(world.prepare({kNet}).at(kNet.uid));
  world.source.holder.clear();  // even when the source has forgotten
  CHECK(refuse({"a", "n1", "0000-08-00-1"}).find("shop/net has it") != std::string::npos);
}

TEST_CASE("claims: the same claim with other devices gets those") {
  World world;
  world.allot(kNet, {{"net", "n1", "0000-08-00-1"}});
  REQUIRE(world.prepare({kNet}).at(kNet.uid));
  world.allot(kNet, {{"net", "n1", "0000-08-00-2"}});
  const auto answer = world.prepare({kNet});
  CHECK(answer.at(kNet.uid)->at(0).allotted.device == "0000-08-00-2");
  CHECK(world.source.holder == std::map<std::string, std::string>{{"0000:08:00.2", kNet.uid}});
}

TEST_CASE("claims: a restart remembers, holds, and takes again") {
  World world;
  world.allot(kNet, {{"net", "n1", "0000-08-00-1"}});
  const auto first = world.prepare({kNet});
  std::filesystem::remove_all(world.dir / "cdi");  // as after a reboot
  world.restart();
  CHECK(world.claims->uses().contains("0000:08:00.1"));  // before anybody asks
  CHECK(world.source.holder.empty());                    // the source isn't touched yet
  CHECK(world.cdi_files().size() == 1);
  world.source.group = "9";  // another IOMMU group since the reboot
  world.source.not_yet = true;
  world.claims->retake();
  CHECK(world.source.holder.empty());
  world.source.not_yet = false;
  world.claims->retake();
  CHECK(world.source.holder.at("0000:08:00.1") == kNet.uid);
  CHECK(world.cdi_file().dump().find("/dev/vfio/9") != std::string::npos);
  const auto takes = world.source.takes;
  world.claims->retake();
  CHECK(world.source.takes == takes);
  CHECK(*world.prepare({kNet}).at(kNet.uid) == *first.at(kNet.uid));
  CHECK(world.unprepare(kNet));
  world.restart();
  CHECK(world.claims->count() == 0);
}

TEST_CASE("claims: a prepared claim whose device is gone keeps its answer") {
  World world;
  world.allot(kNet, {{"net", "n1", "0000-08-00-1"}});
  const auto first = world.prepare({kNet});
  world.restart();
  world.source.unusable = {"0000:08:00.1"};
  world.claims->retake();
  CHECK(*world.prepare({kNet}).at(kNet.uid) == *first.at(kNet.uid));
  CHECK(world.claims->uses().contains("0000:08:00.1"));
}

TEST_CASE("claims: a checkpoint that can't be read is put aside, CDI files stay") {
  World world;
  world.allot(kNet, {{"net", "n1", "0000-08-00-1"}});
  REQUIRE(world.prepare({kNet}).at(kNet.uid));
  std::string half = *os::read_file(world.checkpoint());
  half.resize(half.size() / 2);
  REQUIRE(os::write_file_atomic(world.checkpoint(), half));
  world.restart();
  CHECK(world.claims->count() == 0);
  CHECK(*os::read_file(world.checkpoint() + ".unreadable") == half);
  CHECK(world.cdi_files().size() == 1);
  CHECK(world.prepare({kNet}).at(kNet.uid));
  CHECK(world.claims->count() == 1);
}

TEST_CASE("claims: files of claims that were never answered are cleaned, others' are not") {
  World world;
  world.allot(kNet, {{"net", "n1", "0000-08-00-1"}});
  REQUIRE(world.prepare({kNet}).at(kNet.uid));
  auto store = cdi::SpecStore::open(world.dir / "cdi");
  REQUIRE(store);
  const cdi::Spec spec{"sluice.dev/x", {{"a", {}, {}, {{"A", "1"}}}}};
  REQUIRE(store->put("claim-dead", spec));
  REQUIRE(store->put("pool-vf", spec));
  world.restart();
  CHECK(*store->sets() == std::set<std::string>{"claim-uid-net", "pool-vf"});
}

TEST_CASE("claims: unprepare while prepare still waits ends that") {
  World world;
  world.allot(kNet, {{"net", "n1", "0000-08-00-1"}});
  world.reader.hold = true;
  std::vector<Claims::Answer> answers;
  const auto keep = [&](Claims::Answer answer) { answers.push_back(std::move(answer)); };
  world.claims->prepare({kNet}, keep);
  CHECK(answers.empty());
  CHECK(world.unprepare(kNet));
  world.claims->prepare({kNet}, keep);  // asked again after that: this one counts
  world.reader.release();
  REQUIRE(answers.size() == 2);
  CHECK(!answers[0].at(kNet.uid));
  CHECK(answers[1].at(kNet.uid));
  CHECK(world.claims->count() == 1);

  world.reader.hold = true;
  world.claims->prepare({kNet}, keep);
  world.claims.reset();
  world.reader.release();  // nobody is told, nothing is touched
  CHECK(answers.size() == 2);
}

TEST_CASE("claims: what can't be written down isn't prepared, and isn't unprepared") {
  World world;
  world.allot(kNet, {{"net", "n1", "0000-08-00-1"}});
  const auto block = [&] {
    std::filesystem::remove(world.checkpoint());
    std::filesystem::create_directories(world.checkpoint() + "/in-the-way");
  };
  block();
  const auto answer = world.prepare({kNet});
  REQUIRE(!answer.at(kNet.uid));
  CHECK(answer.at(kNet.uid).error().to_string().find("checkpoint") != std::string::npos);
  CHECK(world.source.holder.empty());
  CHECK(world.cdi_files().empty());
  std::filesystem::remove_all(world.checkpoint());
  REQUIRE(world.prepare({kNet}).at(kNet.uid));
  block();
  CHECK(!world.unprepare(kNet));
  CHECK(world.claims->count() == 1);
  CHECK(world.source.holder.size() == 1);
  std::filesystem::remove_all(world.checkpoint());
  CHECK(world.unprepare(kNet));
}

TEST_CASE("claims: a second process is kept out") {
  World world;
  const auto second = Claims::open({"n1", world.dir / "state", world.dir / "cdi"}, world.source,
                                   world.reader, Logger());
  REQUIRE(!second);
  CHECK(second.error().code == Code::kPrecondition);
}

}  // namespace sluice::dra
