// SPDX-License-Identifier: Apache-2.0
// Pools on a real file system.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/ipam/ipam.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::cni {
namespace {

IpamSource source_in(const test::TempDir& dir, const std::string& ipam) {
  IpamSource source;
  source.kind = IpamKind::kPool;
  source.state_dir = dir / "state";
  source.network = "net";
  source.node = "node-a";
  source.text = ipam;
  return source;
}

IpamOwner owner(int number, const std::string& pod = "") {
  IpamOwner out;
  out.key = {"c" + std::to_string(number), "net1"};
  out.pod = pod.empty() ? "ns/pod-" + std::to_string(number) : pod;
  return out;
}

IpPrefix prefix(const char* text) { return IpPrefix::parse(text).value(); }

std::size_t held_in(const test::TempDir& dir) {
  const auto held = held_addresses(dir / "state");
  REQUIRE(held);
  return held->size();
}

// "10.1.0.2/28 fd00::2/64", or the error.
std::string added(const Result<CniResult>& result) {
  if (!result) return result.error().to_string();
  std::string out;
  for (const auto& one : result->addresses) {
    out += (out.empty() ? "" : " ") + one.address.to_string();
  }
  return out;
}

constexpr const char* kDual = R"({"pool": "p", "ranges": [
    [{"subnet": "10.1.0.0/29"}], [{"subnet": "fd00::/64", "gateway": "fd00::ff"}]],
  "routes": [{"dst": "10.0.0.0/8"}], "dns": {"domain": "d"}})";

TEST_CASE("one address of each family, with gateways, routes and DNS") {
  const test::TempDir dir;
  const auto ipam = make_ipam(source_in(dir, kDual)).value();
  const auto result = ipam->add(owner(1));
  REQUIRE(added(result) == "10.1.0.2/29 fd00::1/64");
  CHECK(result->addresses[0].gateway->to_string() == "10.1.0.1");
  CHECK(result->addresses[1].gateway->to_string() == "fd00::ff");
  CHECK(result->routes.size() == 1);
  CHECK(result->dns.domain == "d");
  CHECK(std::filesystem::exists(dir / "state/ipam/pools/p/-/fd00::1"));
  CHECK(added(ipam->add(owner(1))) == "10.1.0.2/29 fd00::1/64");
  CHECK(added(ipam->add(owner(2))) == "10.1.0.3/29 fd00::2/64");
  CHECK(ipam->check(owner(1), *result));
  CHECK_FALSE(ipam->check(owner(2), *result));
  auto half = *result;
  half.addresses.pop_back();
  CHECK_FALSE(ipam->check(owner(1), half));
  REQUIRE(ipam->del(owner(1)));
  REQUIRE(ipam->del(owner(1)));
  // A freed address rests.
  CHECK(added(ipam->add(owner(3))) == "10.1.0.4/29 fd00::3/64");
}

TEST_CASE("exhaustion says what the ranges are full of") {
  const auto refusal = [](const char* text, int used) {
    const test::TempDir dir;
    const auto ipam = make_ipam(source_in(dir, text)).value();
    for (int i = 0; i < used; ++i) REQUIRE(ipam->add(owner(i)));
    return ipam->add(owner(9)).error().message;
  };
  CHECK(refusal(R"({"pool": "p", "subnet": "10.1.0.0/29", "exclude": ["10.1.0.2"],
                    "reservations": [{"address": "10.1.0.3", "pod": "db/db-0"}]})",
                3) ==
        "pool p has no free address in 10.1.0.1-10.1.0.6: 3 in use, 1 excluded prefix, 1 reserved, "
        "the gateway");
  // Neither the gateway, a reservation and an exclusion beside the range, nor what is excluded too.
  CHECK(refusal(R"({"pool": "p", "subnet": "10.1.0.0/28", "rangeStart": "10.1.0.4",
                    "rangeEnd": "10.1.0.7", "exclude": ["10.1.0.6/31", "10.1.0.5", "10.1.0.9"],
                    "reservations": [{"address": "10.1.0.3", "pod": "db/db-0"},
                                     {"address": "10.1.0.6", "pod": "db/db-1"}]})",
                1) ==
        "pool p has no free address in 10.1.0.4-10.1.0.7: 1 in use, 2 excluded prefixes");
}

TEST_CASE("when one family is used up, nothing of the other is kept") {
  const test::TempDir dir;
  const auto ipam = make_ipam(source_in(dir, kDual)).value();
  for (int i = 0; i < 5; ++i) REQUIRE(ipam->add(owner(i)));
  const auto before = held_in(dir);
  CHECK_FALSE(ipam->add(owner(9)));
  CHECK(held_in(dir) == before);

  // The full one as the second: what the first gave is given back.
  const test::TempDir other;
  const auto turned = make_ipam(source_in(other, R"({"pool": "p", "ranges": [
      [{"subnet": "fd00::/64"}], [{"subnet": "10.1.0.0/30"}]]})"))
                          .value();
  REQUIRE(turned->add(owner(1)));
  const auto full = turned->add(owner(2));
  REQUIRE_FALSE(full);
  CHECK(full.error().message ==
        "pool p has no free address in 10.1.0.1-10.1.0.2: 1 in use, the gateway");
  CHECK(cni_code(full.error()) == kTryAgainLater);
  CHECK(held_in(other) == 2);
  const auto status = turned->status();
  REQUIRE_FALSE(status);
  CHECK(cni_code(status.error()) == kNotAvailable);
  CHECK(status.error().message.find("pool p") != std::string::npos);
}

TEST_CASE("excluded addresses are stepped over, also in halves of a /64") {
  const test::TempDir dir;
  const auto source = source_in(dir, R"({"subnet": "fd00::/64",
    "exclude": ["fd00::2", "fd00::3/128", "fd00::4/126", "fd00::8000:0:0:0/65", "fd00::8/125",
                "fd00::10/124", "fd00::20/123", "fd00::40/122", "fd00::80/121",
                "fd00::100/120"]})");
  const auto ipam = make_ipam(source).value();
  CHECK(added(ipam->add(owner(1))) == "fd00::200/64");
}

TEST_CASE("requested addresses") {
  const test::TempDir dir;
  const auto ipam = make_ipam(source_in(dir, R"({"pool": "p", "ranges": [
      [{"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.99"}], [{"subnet": "fd00::/64"}]],
      "exclude": ["10.1.0.50"],
      "reservations": [{"address": "10.1.0.60", "pod": "ns/other"}]})"))
                        .value();
  auto wants = owner(1);
  wants.requested = {prefix("fd00::77/64")};
  CHECK(added(ipam->add(wants)) == "10.1.0.2/24 fd00::77/64");
  auto late = owner(2);
  const auto refused = [&](const char* text, const char* why, int code) {
    INFO(text);
    late.requested = {prefix(text)};
    const auto result = ipam->add(late);
    REQUIRE_FALSE(result);
    INFO(result.error().message);
    CHECK(result.error().message.find(prefix(text).address.to_string()) != std::string::npos);
    CHECK(result.error().message.find("pool p") != std::string::npos);
    CHECK(result.error().message.find("attachment c2/net1") != std::string::npos);
    CHECK(result.error().message.find(why) != std::string::npos);
    CHECK(cni_code(result.error()) == code);
  };
  refused("fd00::77/64", "is in use in pool p by attachment c1/net1", kTryAgainLater);
  refused("10.1.0.100/24", "is not in pool p, which has 10.1.0.1-10.1.0.99", kInvalidConfig);
  refused("10.2.0.1/24", "is not in pool p", kInvalidConfig);
  refused("10.1.0.1/24", "is the gateway", kInvalidConfig);
  refused("10.1.0.50/24", "is excluded", kInvalidConfig);
  refused("10.1.0.60/24", "is reserved in pool p for pod ns/other", kInvalidConfig);
  late.requested = {prefix("10.1.0.7/24"), prefix("10.1.0.8/24")};
  CHECK_FALSE(ipam->add(late));
  CHECK(held_in(dir) == 2);
  // It has another one already.
  wants.requested = {prefix("fd00::78/64")};
  CHECK(ipam->add(wants).error().message.find("has fd00::77 already") != std::string::npos);
}

TEST_CASE("a reservation is its pod's or its MAC's alone, and comes first") {
  const test::TempDir dir;
  const auto ipam = make_ipam(source_in(dir, R"({"pool": "p", "subnet": "10.1.0.0/29",
      "rangeEnd": "10.1.0.5", "exclude": ["10.1.0.4"],
      "reservations": [{"address": "10.1.0.2", "pod": "db/db-0"},
                       {"address": "10.1.0.6", "mac": "02:00:00:00:00:06"},
                       {"address": "10.1.0.4", "pod": "db/db-1"}]})"))
                        .value();
  CHECK(added(ipam->add(owner(1))) == "10.1.0.3/29");
  CHECK(added(ipam->add(owner(2))) == "10.1.0.5/29");
  CHECK_FALSE(ipam->add(owner(3)));
  CHECK(added(ipam->add(owner(4, "db/db-0"))) == "10.1.0.2/29");
  CHECK(added(ipam->add(owner(5, "db/db-1"))) == "10.1.0.4/29");
  auto with_mac = owner(6);
  with_mac.mac = MacAddr::parse("02:00:00:00:00:06").value();
  CHECK(added(ipam->add(with_mac)) == "10.1.0.6/29");
  CHECK(added(ipam->add(with_mac)) == "10.1.0.6/29");

  // The pod's successor waits for its predecessor's sandbox to go.
  const auto waits = ipam->add(owner(7, "db/db-0"));
  REQUIRE_FALSE(waits);
  CHECK(waits.error().message.find("attachment c4/net1") != std::string::npos);
  CHECK(cni_code(waits.error()) == kTryAgainLater);
  // The pod's own second interface gets what is free.
  REQUIRE(ipam->del(owner(1)));
  auto second = owner(4, "db/db-0");
  second.key.interface = "net2";
  CHECK(added(ipam->add(second)) == "10.1.0.3/29");
  REQUIRE(ipam->del(owner(4)));
  CHECK(added(ipam->add(owner(7, "db/db-0"))) == "10.1.0.2/29");
}

TEST_CASE("two sets of one subnet give two addresses, the same ones again") {
  const test::TempDir dir;
  const auto ipam = make_ipam(source_in(dir, R"({"ranges": [
      [{"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.99"}],
      [{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.100"}]],
      "reservations": [{"address": "10.1.0.150", "pod": "db/db-0"}]})"))
                        .value();
  CHECK(added(ipam->add(owner(1))) == "10.1.0.2/24 10.1.0.100/24");
  CHECK(added(ipam->add(owner(1))) == "10.1.0.2/24 10.1.0.100/24");
  const auto first = added(ipam->add(owner(2, "db/db-0")));
  CHECK(first == "10.1.0.150/24 10.1.0.101/24");
  CHECK(added(ipam->add(owner(2, "db/db-0"))) == first);
}

TEST_CASE("rails have stores of their own; giving back needs neither device nor valid config") {
  const test::TempDir dir;
  const std::string text = R"({"pool": "p", "rails": {"0000:3b:00.0": {"subnet": "10.1.0.0/28"},
                                                      "*": {"subnet": "10.1.0.0/28"}}})";
  auto source = source_in(dir, text);
  source.rail = {"0000:3b:00.0", "p0"};
  REQUIRE(added(make_ipam(source).value()->add(owner(1))) == "10.1.0.2/28");
  source.rail = {"0000:5e:00.0", "p1"};
  REQUIRE(added(make_ipam(source).value()->add(owner(2))) == "10.1.0.2/28");
  CHECK(held_in(dir) == 2);
  source.rail.clear();
  CHECK(make_ipam(source).value()->del(owner(1)));
  CHECK(held_in(dir) == 1);
  source.text = "no JSON at all";
  CHECK_FALSE(make_ipam(source).value()->add(owner(3)));
  CHECK(make_ipam(source).value()->del(owner(2)));
  CHECK(held_in(dir) == 0);
}

TEST_CASE("blocks come from a file that is read at each ADD") {
  const test::TempDir dir;
  const auto ipam =
      make_ipam(source_in(dir, R"({"blocksFile": ")" + (dir / "blocks.json") + R"("})")).value();
  const auto missing = ipam->add(owner(1));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find(dir / "blocks.json") != std::string::npos);
  CHECK(cni_code(ipam->status().error()) == kNotAvailable);
  dir.file("blocks.json", R"({"nodes": {"node-a": {"subnet": "10.1.0.0/28"}}})");
  CHECK(added(ipam->add(owner(1))) == "10.1.0.2/28");
  dir.file("blocks.json", R"({"nodes": {"node-a": {"subnet": "10.2.0.0/28"}}})");
  CHECK(added(ipam->add(owner(2))) == "10.2.0.2/28");
  dir.file("blocks.json", R"({"nodes": {"node-b": {"subnet": "10.2.0.0/28"}}})");
  CHECK(added(ipam->add(owner(3))) ==
        dir / "blocks.json" + ": pool net has no block for node node-a in nodes");
}

TEST_CASE("an unreadable entry keeps its own address only") {
  const test::TempDir dir;
  dir.file("state/ipam/pools/p/-/10.1.0.2", "");
  const auto ipam = make_ipam(source_in(dir, R"({"pool": "p", "subnet": "10.1.0.0/29"})")).value();
  CHECK(added(ipam->add(owner(1))) == "10.1.0.3/29");
  auto wants = owner(2);
  wants.requested = {prefix("10.1.0.2/29")};
  CHECK(ipam->add(wants).error().message.find("an entry that can't be read") != std::string::npos);
  CHECK(ipam->del(owner(1)));
}

TEST_CASE("a state directory that can't be written") {
  const test::TempDir dir;
  auto source = source_in(dir, R"({"subnet": "10.1.0.0/29"})");
  source.state_dir = "/proc/self";
  const auto ipam = make_ipam(source).value();
  const auto result = ipam->add(owner(1));
  REQUIRE_FALSE(result);
  CHECK(result.error().message.find("/proc/self/ipam") != std::string::npos);
  CHECK(ipam->del(owner(1)));
}

TEST_CASE("a file system that takes no more data") {
  const test::TempDir dir;
  const auto ipam = make_ipam(source_in(dir, kDual)).value();
  REQUIRE(ipam->add(owner(1)));
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // The nearest to a full disk: every write fails, files can still be made and removed.
    const rlimit none{0, 0};
    ::signal(SIGXFSZ, SIG_IGN);
    const bool limited = ::setrlimit(RLIMIT_FSIZE, &none) == 0;
    const bool refused = !ipam->add(owner(2));
    ::_exit(limited && refused && ipam->del(owner(1)) ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(held_in(dir) == 0);
  for (const auto& entry : std::filesystem::directory_iterator(dir / "state/ipam/pools/p/-")) {
    INFO(entry.path().string());
    CHECK(entry.path().filename().string().front() == '.');
  }
}

TEST_CASE("30 processes with 2 threads each never share an address") {
  const test::TempDir dir;
  constexpr int kProcesses = 30, kThreads = 2;
  const auto source = source_in(dir, R"({"pool": "p", "ranges": [
      [{"subnet": "10.1.0.0/25"}], [{"subnet": "fd00::/64"}]]})");
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      bool good[kThreads] = {};
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          const auto ipam = make_ipam(source);
          if (!ipam) return;
          const int number = p * kThreads + t;
          const auto keep = (*ipam)->add(owner(number));
          const auto drop = (*ipam)->add(owner(1000 + number));
          good[t] = keep && drop && (*ipam)->del(owner(1000 + number));
        });
      }
      for (auto& thread : threads) thread.join();
      ::_exit(good[0] && good[1] ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const auto child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  // Files are addresses, so no two owners share one; each kept exactly one of each family.
  std::multiset<AttachmentKey> owners;
  const auto all_held = held_addresses(dir / "state");
  REQUIRE(all_held);
  for (const auto& held : *all_held) owners.insert(held.owner);
  CHECK(owners.size() == kProcesses * kThreads * 2);
  for (int i = 0; i < kProcesses * kThreads; ++i) CHECK(owners.count(owner(i).key) == 2);
}

}  // namespace
}  // namespace sluice::cni
