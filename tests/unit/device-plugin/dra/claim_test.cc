// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/claim.h"

#include <doctest/doctest.h>

#include "tests/unit/device-plugin/dra/world.h"

namespace sluice::dra {
namespace {

const ClaimRef kClaim{"shop", "11111111-2222-3333-4444-555555555555", "net"};

void refused(const std::string& json, Code code, const std::string& names) {
  CAPTURE(json);
  const auto devices = parse_claim(json, kClaim);
  REQUIRE(!devices);
  CHECK(devices.error().code == code);
  CHECK(devices.error().message.find(names) != std::string::npos);
}

}  // namespace

TEST_CASE("claim: devices of ours in order, requests without their part of a prioritized list") {
  const auto devices =
      parse_claim(test::claim_json(kClaim, {{"net/vf", "n1", "0000-08-00-1"},
                                            {"gpu", "n1", "gpu-0", "gpu.example.com"},
                                            {"spare", "n1-ports", "port-4"},
                                            {"both", "n1", "0000-08-00-1"},
                                            {"both", "n1", "0000-08-00-1"}}),
                  kClaim);
  REQUIRE(devices);
  CHECK(*devices == std::vector<Allotted>{{"n1", "0000-08-00-1", {"net", "both"}},
                                          {"n1-ports", "port-4", {"spare"}}});
}

TEST_CASE("claim: others' parameters are theirs, ours are refused by name while there are none") {
  const auto given = std::vector<test::Given>{{"net", "n1", "0000-08-00-1"}};
  const auto other = R"([{"source":"FromClaim","opaque":{"driver":"gpu.example.com",
                          "parameters":{"kind":"GpuConfig"}}}])";
  CHECK(parse_claim(test::claim_json(kClaim, given, other), kClaim));
  const auto empty = R"([{"opaque":{"driver":"sluice.dev","parameters":{}}}])";
  CHECK(parse_claim(test::claim_json(kClaim, given, empty), kClaim));
  const auto ours = R"([{"source":"FromClass","opaque":{"driver":"sluice.dev",
                         "parameters":{"apiVersion":"v9","kind":"VfConfig","vlan":7}}}])";
  refused(test::claim_json(kClaim, given, ours), Code::kUnsupported, "VfConfig");
}

TEST_CASE("claim: another object, not allocated, nothing of ours, admin access") {
  auto other = kClaim;
  other.uid = "99999999-2222-3333-4444-555555555555";
  refused(test::claim_json(other, {{"net", "n1", "0000-08-00-1"}}), Code::kPrecondition, "9999");
  refused(R"({"metadata":{"uid":"11111111-2222-3333-4444-555555555555"}})", Code::kPrecondition,
          "not allocated");
  refused(test::claim_json(kClaim, {{"gpu", "n1", "g", "gpu.example.com"}}), Code::kPrecondition,
          "no device");
  std::string admin = test::claim_json(kClaim, {{"net", "n1", "0000-08-00-1"}});
  admin.replace(admin.find("\"device\":"), 9, "\"adminAccess\":true,\"device\":");
  refused(admin, Code::kUnsupported, "adminAccess");
}

TEST_CASE("claim: hostile objects") {
  for (const char* text : {"", "[]", "7"}) refused(text, Code::kInvalid, "JSON");
  std::vector<test::Given> many(300, {"net", "n1", "0000-08-00-1"});
  refused(test::claim_json(kClaim, many), Code::kInvalid, "300");
  refused(test::claim_json(kClaim, {{"", "n1", "d"}}), Code::kInvalid, "missing");
  refused(R"({"metadata":{"uid":"11111111-2222-3333-4444-555555555555"},
              "status":{"allocation":{"devices":{"results":[7,null]}}}})",
          Code::kPrecondition, "no device");
}

TEST_CASE("claim: one that nests too deep is none") {
  std::string deep = test::claim_json(kClaim, {{"net", "n1", "0000-08-00-1"}});
  CHECK(parse_claim(deep, kClaim));
  deep.insert(1, "\"x\":" + std::string(200000, '[') + std::string(200000, ']') + ",");
  refused(deep, Code::kInvalid, "JSON");
}

TEST_CASE("claim: names that would leave a path are refused") {
  CHECK(check(kClaim));
  for (const char* uid : {"", "../x", "a/b", "a b", "a\n", "."}) {
    CAPTURE(uid);
    CHECK(!check({"shop", uid, "net"}));
  }
  for (const char* name : {"", "..", "../x", "a/b", ".a"}) {
    CAPTURE(name);
    CHECK(!check({"shop", "u", name}));
    CHECK(!check({name, "u", "net"}));
  }
  CHECK(!check({"shop", std::string(65, 'a'), "net"}));
  CHECK(!check({"shop", "u", std::string(254, 'a')}));
}

}  // namespace sluice::dra
