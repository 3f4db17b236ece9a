// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/ipam/ipam.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::cni {
namespace {

IpamSource source_in(const std::string& state_dir, const std::string& block = "10.244.1.0/29") {
  IpamSource source;
  source.kind = IpamKind::kNodeBlock;
  source.state_dir = state_dir;
  source.network = "pods";
  source.node = "node-a";
  source.block = block;
  source.gateway = "169.254.1.1";
  return source;
}

IpamOwner owner(int number) {
  IpamOwner out;
  out.key = {"container-" + std::to_string(number), "eth0"};
  return out;
}

IpPrefix prefix(const char* text) { return IpPrefix::parse(text).value(); }

TEST_CASE("an address of the block, the gateway on the link, and everything by it") {
  const test::TempDir dir;
  const auto ipam = make_ipam(source_in(dir.path())).value();
  const auto result = ipam->add(owner(1));
  REQUIRE(result);
  REQUIRE(result->addresses.size() == 1);
  CHECK(result->interfaces.empty());
  CHECK(result->addresses[0].address == prefix("10.244.1.2/32"));
  CHECK(result->addresses[0].gateway->to_string() == "169.254.1.1");
  REQUIRE(result->routes.size() == 2);
  CHECK(result->routes[0].destination == prefix("169.254.1.1/32"));
  CHECK(result->routes[0].scope == 253);
  CHECK_FALSE(result->routes[0].gateway);
  CHECK(result->routes[1].destination == prefix("0.0.0.0/0"));
  CHECK(result->routes[1].gateway->to_string() == "169.254.1.1");
  CHECK(ipam->add(owner(1)).value() == *result);

  CHECK(ipam->check(owner(1), *result));
  CHECK_FALSE(ipam->check(owner(2), *result));
  CHECK_FALSE(ipam->check(owner(1), {}));
  REQUIRE(ipam->del(owner(1)));
  REQUIRE(ipam->del(owner(1)));
  const auto gone = ipam->check(owner(1), *result);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().message.find("10.244.1.2") != std::string::npos);
  CHECK(ipam->gc({}));
}

TEST_CASE("a gateway of the block itself is never given") {
  const test::TempDir dir;
  auto source = source_in(dir.path());
  source.gateway = "10.244.1.2";
  const auto ipam = make_ipam(source).value();
  CHECK(ipam->add(owner(1))->addresses[0].address == prefix("10.244.1.3/32"));
}

TEST_CASE("a full block is code 11 at ADD and 50 at STATUS, and named") {
  const test::TempDir dir;
  const auto ipam = make_ipam(source_in(dir.path(), "10.244.1.0/30")).value();
  CHECK(ipam->status());
  REQUIRE(ipam->add(owner(1)));
  const auto full = ipam->add(owner(2));
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Code::kExhausted);
  CHECK(full.error().retry == Retry::kLater);
  CHECK(cni_code(full.error()) == kTryAgainLater);
  CHECK(full.error().message == "block 10.244.1.0/30 has no free address in 10.244.1.2: 1 in use");
  CHECK(cni_code(ipam->status().error()) == kNotAvailable);
  REQUIRE(ipam->del(owner(1)));
  CHECK(ipam->status());
}

TEST_CASE("an address that is asked for is given, or why not is said") {
  const test::TempDir dir;
  const auto ipam = make_ipam(source_in(dir.path())).value();
  auto wants = owner(1);
  wants.requested = {prefix("10.244.1.5/32")};
  CHECK(ipam->add(wants)->addresses[0].address == prefix("10.244.1.5/32"));
  auto late = owner(2);
  late.requested = wants.requested;
  const auto taken = ipam->add(late);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message ==
        "address 10.244.1.5, asked for by attachment container-2/eth0, is in use in block "
        "10.244.1.0/29 by attachment container-1/eth0");
  CHECK(cni_code(taken.error()) == kTryAgainLater);
  for (const auto* text : {"10.244.1.1/32", "10.244.1.7/32", "10.9.0.1/32", "fd00::1/128"}) {
    INFO(text);
    late.requested = {prefix(text)};
    const auto outside = ipam->add(late);
    REQUIRE_FALSE(outside);
    CHECK(cni_code(outside.error()) == kInvalidConfig);
  }
  late.requested = {prefix("10.244.1.2/32"), prefix("10.244.1.3/32")};
  CHECK_FALSE(ipam->add(late));
  CHECK(held_addresses(dir.path())->size() == 1);
}

TEST_CASE("what an engine says wrongly is an error; giving back needs none of it") {
  const test::TempDir dir;
  REQUIRE(make_ipam(source_in(dir.path())).value()->add(owner(1)));
  auto source = source_in(dir.path(), "nonsense");
  CHECK_FALSE(make_ipam(source).value()->add(owner(2)));
  source.gateway = "fd00::1";
  CHECK_FALSE(make_ipam(source).value()->add(owner(2)));
  CHECK(make_ipam(source).value()->del(owner(1)));
  CHECK(held_addresses(dir.path())->empty());
  source.node = "../x";
  CHECK_FALSE(make_ipam(source));
  source.kind = IpamKind::kNone;
  CHECK_FALSE(make_ipam(source));
}

}  // namespace
}  // namespace sluice::cni
