// SPDX-License-Identifier: Apache-2.0
// sluice-cni: what a call says of itself on stderr and in the statistics, also when it is refused,
// and what VERSION and STATUS answer.
#include <doctest/doctest.h>

#include <sys/stat.h>

#include <string>

#include "common/callstats/call_stats.h"
#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

using callstats::Step;
using callstats::Verb;
using nlohmann::json;

// How many calls ended with this code.
std::uint64_t ended(const CniLab& lab, Verb verb, int code) {
  const auto counted = callstats::read_snapshot(lab.dir + "/stats").value();
  for (const auto& one : counted.codes[static_cast<std::size_t>(verb)]) {
    if (one.code == code) return one.count;
  }
  return 0;
}

std::uint64_t timed(const CniLab& lab, Verb verb, Step step) {
  const auto counted = callstats::read_snapshot(lab.dir + "/stats").value();
  return counted.steps[static_cast<std::size_t>(verb)][static_cast<std::size_t>(step)].total();
}

bool says(const Answer& answer, const std::string& field) {
  INFO(answer.err);
  return answer.err.find(field) != std::string::npos;
}

TEST_CASE("a refused call has its line and is counted, whatever refused it") {
  CniLab lab;
  const Pod pod("c1");
  const auto key = lab.add(pod, {{"strange", 1}, {"networkReference", "shop/fast"}});
  CHECK(key.out["code"] == 7);
  CHECK(says(key, "call failed"));
  CHECK(says(key, "id=c1/eth0"));
  CHECK(says(key, "reference=shop/fast"));
  CHECK(says(key, "code=7"));
  CHECK(ended(lab, Verb::kAdd, 7) == 1);
  const auto version = lab.call("GC", pod, {{"cniVersion", "1.0.0"}});
  CHECK(says(version, "code=1"));
  CHECK(ended(lab, Verb::kGc, 1) == 1);

  Pod nameless("c2");
  nameless.container = "../c2";
  const auto environment = lab.add(nameless);
  CHECK(environment.out["code"] == 4);
  CHECK(says(environment, "call failed"));
  CHECK(says(environment, "verb=ADD"));
  CHECK(says(environment, "network=pods"));
  CHECK(ended(lab, Verb::kAdd, 4) == 1);
  CHECK(timed(lab, Verb::kAdd, Step::kTotal) == 2);

  const auto verb = lab.call("FETCH", pod);
  CHECK(verb.out["code"] == 4);
  CHECK(says(verb, "call failed"));
  CHECK(says(verb, "CNI_COMMAND"));
}

TEST_CASE("the line of ADD and DEL says what they were about, DEL's by the record") {
  CniLab lab;
  const Pod pod("c1");
  const auto added = lab.add(pod, {{"deviceID", kVf0}, {"networkReference", "shop/fast"}});
  REQUIRE(added.status == 0);
  const auto deleted = lab.del(pod);  // whose configuration says neither
  REQUIRE(deleted.status == 0);
  for (const auto& answer : {added, deleted}) {
    CHECK(says(answer, "call done"));
    CHECK(says(answer, std::string("device=") + kVf0));
    CHECK(says(answer, "ip=10.244.1.2"));
    CHECK(says(answer, "reference=shop/fast"));
  }
  for (const auto verb : {Verb::kAdd, Verb::kDel}) {
    CHECK(timed(lab, verb, Step::kPf) == 1);
    CHECK(timed(lab, verb, Step::kMove) == 1);
    CHECK(timed(lab, verb, Step::kRdma) == 0);  // it has none
  }
  CHECK_FALSE(says(lab.del(pod), kVf0));
}

TEST_CASE("logLevel warning and above keep the line of a call that succeeded") {
  CniLab lab;
  const Pod pod("c1");
  for (const char* level : {"warning", "error", "panic"}) {
    INFO(level);
    const json quiet = {{"logLevel", level}};
    CHECK(lab.add(pod, quiet).err.empty());
    CHECK(says(lab.add(pod, quiet), "call failed"));
    CHECK(lab.call("DEL", pod, quiet).err.empty());
  }
}

TEST_CASE("dns: the pod's over the network's, in the first interface's result alone") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/c1", {{kVf0}, {kVf1}});
  const Pod pod("c1");
  const json network = {{"dns", {{"nameservers", {"10.96.0.10"}}, {"search", {"cluster.local"}}}}};
  const auto added = lab.add(pod, network);
  INFO(added.out.dump());
  REQUIRE(added.status == 0);
  CHECK(added.out["dns"] == network["dns"]);
  CHECK(lab.del(pod).status == 0);
  auto pods = network;
  pods["runtimeConfig"] = {{"dns", {{"servers", {"10.0.0.9"}}, {"searches", {"shop"}}}}};
  const auto own = lab.add(pod, pods);
  REQUIRE(own.status == 0);
  CHECK(own.out["dns"] == json{{"nameservers", {"10.0.0.9"}}, {"search", {"shop"}}});
  const auto old = lab.add(Pod("c2"), {{"cniVersion", "0.4.0"}, {"dns", network["dns"]}});
  REQUIRE(old.status == 0);
  CHECK(old.out["dns"] == network["dns"]);
}

TEST_CASE("VERSION answers in the version that it is asked in") {
  CniLab lab;
  const Pod pod("c1");
  CHECK(lab.call("VERSION", pod, {{"cniVersion", "0.4.0"}}).out["cniVersion"] == "0.4.0");
  CHECK(lab.call("VERSION", pod, {{"cniVersion", "9.9.9"}}).out["cniVersion"] == "1.1.0");
  CHECK(lab.call("VERSION", pod, {{"cniVersion", nullptr}}).out["cniVersion"] == "1.1.0");
  // Of a stdin that nobody writes to and nobody closes.
  const auto fifo = lab.dir + "/stdin";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const auto ran = os::run_program({"/usr/bin/env", "-i", "CNI_COMMAND=VERSION", "/bin/sh", "-c",
                                    "exec \"$0\" 0<>\"$1\"", SLUICE_CNI, fifo},
                                   "", std::chrono::seconds(120));
  REQUIRE(ran);
  CHECK(ran->status == 0);
  CHECK(json::parse(ran->out)["cniVersion"] == "1.1.0");
}

TEST_CASE("STATUS refuses what every ADD would, as ADD does") {
  CniLab lab;
  const Pod pod("c1");
  REQUIRE(lab.call("STATUS", pod).status == 0);
  struct Row {
    json more;
    const char* named;
  };
  for (const auto& row : {Row{{{"vlna", 5}}, "vlan"}, Row{{{"vlan", 9999}}, "vlan is 9999"},
                          Row{{{"mtu", 1451}}, "1450"}}) {
    INFO(row.more.dump());
    const auto status = lab.call("STATUS", pod, row.more);
    CHECK(status.out["code"] == 7);
    CHECK(status.out["msg"].get<std::string>().find(row.named) != std::string::npos);
    CHECK(lab.add(pod, row.more).out["code"] == 7);
  }
  // A pool's keys may be in a file of the node's that is still to come.
  const auto pool =
      lab.call("STATUS", pod, {{"ipam", {{"type", "sluice"}, {"ranges", json::array()}}}});
  CHECK(pool.out["code"] == 50);
  CHECK(pool.out["msg"].get<std::string>().find("ipam.ranges is empty") != std::string::npos);
}

}  // namespace
}  // namespace sluice::testing
