// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/slice_json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/device-plugin/dra/world.h"

namespace sluice::dra {
namespace {

using nlohmann::json;

Slice example() {
  Slice slice{"n1-sluice.dev-0", "n1", "node-uid", "n1", 3, 1, {}};
  slice.devices = {
      {"0000-08-00-1", {{"kind", std::string("vf")}, {"vfIndex", std::int64_t{7}}, {"rdma", true}}},
      {"port-0", {}}};
  return slice;
}

}  // namespace

TEST_CASE("slice JSON: v1 as the API has it") {
  const auto root = json::parse(render(example(), "v1", "17"));
  CHECK(root == json::parse(R"({
    "apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice",
    "metadata": {"name": "n1-sluice.dev-0", "resourceVersion": "17", "ownerReferences": [
      {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-uid", "controller": true}]},
    "spec": {"driver": "sluice.dev", "nodeName": "n1",
      "pool": {"name": "n1", "generation": 3, "resourceSliceCount": 1},
      "devices": [
        {"name": "0000-08-00-1", "attributes": {
          "kind": {"string": "vf"}, "vfIndex": {"int": 7}, "rdma": {"bool": true}}},
        {"name": "port-0", "attributes": {}}]}})"));
}

TEST_CASE("slice JSON: v1beta1 has 'basic' around it, v1beta2 is as v1") {
  const auto device =
      json::parse(render(example(), "v1beta1", "")).at("/spec/devices/0"_json_pointer);
  CHECK(device.at("/basic/attributes/kind/string"_json_pointer) == "vf");
  CHECK(!device.contains("attributes"));
  const auto same = json::parse(render(example(), "v1beta2", ""));
  CHECK(same.at("apiVersion") == "resource.k8s.io/v1beta2");
  CHECK(same.at("/spec/devices/0/attributes/kind/string"_json_pointer) == "vf");
}

TEST_CASE("slice JSON: read back as it was written, in every version") {
  for (const char* version : {"v1", "v1beta2", "v1beta1"}) {
    CAPTURE(version);
    auto root = json::parse(render(example(), version, "17"));
    root["metadata"]["uid"] = "u1";
    root["metadata"]["managedFields"] = json::array();  // what others add doesn't matter
    const auto stored = parse_slice(root.dump());
    REQUIRE(stored);
    CHECK(stored->slice == example());
    CHECK(stored->uid == "u1");
    CHECK(stored->resource_version == "17");
  }
}

TEST_CASE("slice JSON: what the server has and we would not write makes a difference") {
  auto root = json::parse(render(example(), "v1", "17"));
  root["spec"]["devices"][0]["attributes"]["kind"] = {{"version", "1.2.3"}};
  CHECK(parse_slice(root.dump())->slice != example());
}

TEST_CASE("slice JSON: hostile answers") {
  for (const char* text : {"", "[]", "{}", "{\"metadata\":7}", "{\"metadata\":{\"name\":7}}",
                           "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"driver\":\"other\"}}",
                           "{\"metadata\":{\"name\":\"a\"},\"spec\":[]}"}) {
    CAPTURE(text);
    const auto slice = parse_slice(text);
    REQUIRE(!slice);
    CHECK(slice.error().code == Code::kInvalid);
  }
  const std::string deep = "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"driver\":\"sluice.dev\"" +
                           std::string(",\"x\":") + std::string(200000, '[') +
                           std::string(200000, ']') + "}}";
  CHECK(!parse_slice(deep));
  CHECK(!parse_uid(deep));
  CHECK(!best_version(deep));
  const auto odd = parse_slice(
      R"({"metadata":{"name":"a","ownerReferences":[7,{"kind":"Node"}]},"spec":{"driver":
          "sluice.dev","pool":{"generation":1.5},"devices":[7,{"attributes":[]},{"basic":7}]}})");
  REQUIRE(odd);
  CHECK(odd->slice.devices.size() == 3);
  CHECK(odd->slice.generation == 0);
}

TEST_CASE("versions: v1 before v1beta2 before v1beta1, none is said") {
  CHECK(best_version(R"({"versions":[{"version":"v1beta1"},{"version":"v1"}]})") == "v1");
  CHECK(best_version(R"({"versions":[{"version":"v1beta1"},{"version":"v1beta2"}]})") == "v1beta2");
  CHECK(best_version(R"({"versions":[{"version":"v1alpha3"},{"version":"v1beta1"}]})") ==
        "v1beta1");
  for (const char* text :
       {"{}", "{\"versions\":7}", "{\"versions\":[{\"version\":\"v2\"}]}", "x"}) {
    CHECK(best_version(text).error().code == Code::kUnsupported);
  }
}

}  // namespace sluice::dra
