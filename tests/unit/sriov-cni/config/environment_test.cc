// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/environment.h"

namespace sluice::cni {
namespace {

using Map = std::map<std::string, std::string>;

Variables from(const Map& map) {
  return [map](const char* name) -> std::optional<std::string> {
    const auto found = map.find(name);
    if (found == map.end()) return std::nullopt;
    return found->second;
  };
}

const Map kGood = {{"CNI_COMMAND", "ADD"},
                   {"CNI_CONTAINERID", "abc-1"},
                   {"CNI_NETNS", "/run/netns/x"},
                   {"CNI_IFNAME", "eth0"},
                   {"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;X=a=b"}};

Map with(const char* name, const std::string& value) {
  auto out = kGood;
  out[name] = value;
  return out;
}

TEST_CASE("verbs") {
  CHECK(read_verb(from(kGood)).value() == Verb::kAdd);
  CHECK(read_verb(from({{"CNI_COMMAND", "DEL"}})).value() == Verb::kDel);
  CHECK(read_verb(from({{"CNI_COMMAND", "VERSION"}})).value() == Verb::kVersion);
  for (const char* other : {"CHECK", "GC", "STATUS", "add", ""}) {
    INFO(other);
    const auto verb = read_verb(from({{"CNI_COMMAND", other}}));
    REQUIRE_FALSE(verb);
    CHECK(cni_code(verb.error()) == kInvalidEnvironment);
  }
  CHECK(read_verb(from({{"CNI_COMMAND", "GC"}})).error().message.find("unsupported") !=
        std::string::npos);
}

TEST_CASE("a complete ADD") {
  const auto call = read_invocation(Verb::kAdd, from(kGood)).value();
  CHECK(call.id() == "abc-1/eth0");
  CHECK(call.pod == "shop/web-0");
  CHECK(call.netns == "/run/netns/x");
  CHECK(call.pod_namespace == "shop");
  CHECK(call.pod_name == "web-0");
  CHECK(call.pod_uid.empty());
  const auto with_uid = read_invocation(
      Verb::kAdd, from(with("CNI_ARGS", "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;K8S_POD_UID=4-f")));
  CHECK(with_uid.value().pod_uid == "4-f");
}

TEST_CASE("all missing variables are named at once") {
  const auto call = read_invocation(Verb::kAdd, from({{"CNI_CONTAINERID", "a"}}));
  REQUIRE_FALSE(call);
  CHECK(call.error().message == "required variables are missing: CNI_IFNAME, CNI_NETNS");
  CHECK(read_invocation(Verb::kDel, from({{"CNI_CONTAINERID", "a"}, {"CNI_IFNAME", "eth0"}})));
}

TEST_CASE("values that are refused") {
  const std::vector<std::pair<const char*, std::string>> rows = {
      {"CNI_CONTAINERID", "-a"},
      {"CNI_CONTAINERID", "../etc"},
      {"CNI_CONTAINERID", "a/b"},
      {"CNI_CONTAINERID", std::string(257, 'a')},
      {"CNI_IFNAME", "."},
      {"CNI_IFNAME", ".."},
      {"CNI_IFNAME", "lo"},
      {"CNI_IFNAME", "a/b"},
      {"CNI_IFNAME", "a b"},
      {"CNI_IFNAME", "a:1"},
      {"CNI_IFNAME", "sixteencharacter"},
      {"CNI_NETNS", std::string(5000, 'x')},
      {"CNI_ARGS", "K8S_POD_NAME"},
      {"CNI_ARGS", "=x"},
      {"CNI_ARGS", "Strange=1"},
      {"CNI_ARGS", "a;b"},
      {"CNI_ARGS", "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;K8S_POD_UID=../x"},
      {"CNI_ARGS", "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;K8S_POD_UID=" + std::string(129, 'a')},
      {"CNI_ARGS", "K8S_POD_NAMESPACE=a/b;K8S_POD_NAME=c"},
      {"CNI_ARGS", "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b\nc"}};
  for (const auto& [name, value] : rows) {
    INFO(name << "=" << value);
    const auto call = read_invocation(Verb::kAdd, from(with(name, value)));
    REQUIRE_FALSE(call);
    CHECK(cni_code(call.error()) == kInvalidEnvironment);
    CHECK(call.error().message.find(name) != std::string::npos);
  }
}

TEST_CASE("DEL doesn't look at CNI_ARGS; a runtime without Kubernetes has a pod all the same") {
  CHECK(read_invocation(Verb::kDel, from(with("CNI_ARGS", "garbage"))));
  CHECK(read_invocation(Verb::kAdd, from(with("CNI_ARGS", ""))).value().pod == "-/abc-1");
  CHECK(read_invocation(Verb::kAdd, from(with("CNI_ARGS", "IgnoreUnknown=true;X=1;"))));
}

}  // namespace
}  // namespace sluice::cni
