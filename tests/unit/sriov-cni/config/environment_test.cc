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
                   {"CNI_PATH", "/opt/cni/bin"},
                   {"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;X=a=b"}};

Map with(const char* name, const std::string& value) {
  auto out = kGood;
  out[name] = value;
  return out;
}

TEST_CASE("verbs") {
  for (const auto verb :
       {Verb::kAdd, Verb::kDel, Verb::kCheck, Verb::kGc, Verb::kStatus, Verb::kVersion}) {
    CHECK(read_verb(from({{"CNI_COMMAND", std::string(to_string(verb))}})).value() == verb);
  }
  for (const char* other : {"add", "ADD ", "REPAIR", ""}) {
    INFO(other);
    const auto verb = read_verb(from({{"CNI_COMMAND", other}}));
    REQUIRE_FALSE(verb);
    CHECK(cni_code(verb.error()) == kInvalidEnvironment);
    CHECK(verb.error().message.find("ADD, DEL, CHECK, GC, STATUS, VERSION") != std::string::npos);
  }
  CHECK(read_verb(from({})).error().message.find("CNI_COMMAND is missing") == 0);
  CHECK(read_verb(from({{"CNI_COMMAND", "UP"}})).error().message.find("CNI_COMMAND is 'UP'") == 0);
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

TEST_CASE("each verb's variables; all that are missing are named at once") {
  struct Row {
    Verb verb;
    std::string missing;
  };
  for (const auto& row :
       std::vector<Row>{{Verb::kAdd, "CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH"},
                        {Verb::kCheck, "CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH"},
                        {Verb::kDel, "CNI_CONTAINERID, CNI_IFNAME"},
                        {Verb::kGc, "CNI_PATH"},
                        {Verb::kStatus, "CNI_PATH"}}) {
    INFO(to_string(row.verb));
    for (const Map& none : {Map{}, Map{{"CNI_PATH", ""}, {"CNI_IFNAME", ""}}}) {
      const auto call = read_invocation(row.verb, from(none));
      REQUIRE_FALSE(call);
      CHECK(cni_code(call.error()) == kInvalidEnvironment);
      CHECK(call.error().message == "required variables are missing: " + row.missing);
    }
    CHECK(read_invocation(row.verb, from(kGood)));
  }
  CHECK(read_invocation(Verb::kVersion, from({})));
  CHECK(read_invocation(Verb::kDel, from({{"CNI_CONTAINERID", "a"}, {"CNI_IFNAME", "eth0"}})));
  CHECK(read_invocation(Verb::kGc, from({{"CNI_PATH", "/x"}})).value().plugin_path == "/x");
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
      {"CNI_PATH", std::string(70000, 'x')},
      {"CNI_ARGS", std::string(70000, 'x')},
      {"CNI_ARGS", "GATEWAY=10.0.0.1"},
      {"CNI_ARGS", "mac=02:00:00:00:00:01"},
      {"CNI_ARGS", "IgnoreUnknown=yes;X=1"},
      {"CNI_ARGS", "IgnoreUnknown=0;X=1"},
      {"CNI_ARGS", "MAC=02:00:00:00:00:01;;IP=10.0.0.1"},
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
    CHECK(call.error().message.size() < 400);
    CHECK_FALSE(read_invocation(Verb::kCheck, from(with(name, value))));
  }
}

TEST_CASE("CNI_ARGS never keeps anything from going") {
  for (const auto verb : {Verb::kDel, Verb::kGc, Verb::kStatus}) {
    const auto call = read_invocation(verb, from(with("CNI_ARGS", "garbage;MAC")));
    REQUIRE(call);
    CHECK(call->args == "garbage;MAC");
    CHECK(call->args_mac.empty());
  }
}

TEST_CASE("a runtime without Kubernetes has a pod all the same") {
  CHECK(read_invocation(Verb::kAdd, from(with("CNI_ARGS", ""))).value().pod == "-/abc-1");
  CHECK(read_invocation(Verb::kAdd, from(with("CNI_ARGS", "K8S_POD_NAME=a"))).value().pod ==
        "-/abc-1");
}

TEST_CASE("CNI_ARGS: MAC and IP are handed on, others by IgnoreUnknown only") {
  for (const auto verb : {Verb::kAdd, Verb::kCheck}) {
    const auto call = read_invocation(
        verb, from(with("CNI_ARGS", "MAC=02:00:00:00:00:01;IP=10.0.0.5/24,fd00::5/64;")));
    REQUIRE(call);
    CHECK(call->args_mac == "02:00:00:00:00:01");
    CHECK(call->args_ip == "10.0.0.5/24,fd00::5/64");
    CHECK(call->args == "MAC=02:00:00:00:00:01;IP=10.0.0.5/24,fd00::5/64;");
  }
  for (const char* word : {"1", "true", "True", "TRUE"}) {
    const auto args = "X=1;IgnoreUnknown=" + std::string(word) + ";GATEWAY=10.0.0.1";
    CHECK(read_invocation(Verb::kAdd, from(with("CNI_ARGS", args))));
  }
}

TEST_CASE("the namespace override") {
  CHECK_FALSE(read_invocation(Verb::kAdd, from(kGood)).value().own_netns);
  const auto own = [](const char* word) {
    return read_invocation(Verb::kAdd, from(with("CNI_NETNS_OVERRIDE", word))).value().own_netns;
  };
  CHECK(own("1"));
  CHECK(own("TRUE"));
  CHECK_FALSE(own("0"));
}

TEST_CASE("TRACEPARENT: a valid one is kept, any other is as if there were none") {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  struct Row {
    std::string text;
    bool kept;
  };
  const std::vector<Row> rows = {
      {good, true},
      {"cc" + good.substr(2), true},
      {"cc" + good.substr(2) + "-later", true},
      {"", false},
      {good + "-x", false},
      {good.substr(0, 54), false},
      {"cc" + good.substr(2) + "x", false},
      {"cc" + good.substr(2) + "-" + std::string(300, 'x'), false},
      {"ff" + good.substr(2), false},
      {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false},
      {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
      {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false},
      {"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
      {"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", false}};
  for (const auto& row : rows) {
    INFO(row.text);
    const auto call = read_invocation(Verb::kAdd, from(with("TRACEPARENT", row.text)));
    REQUIRE(call);
    CHECK(call->trace_parent == (row.kept ? row.text : ""));
  }
}

TEST_CASE("the about text names the versions") {
  CHECK(about_text().find("sluice-cni") == 0);
  CHECK(about_text().find("0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0\n") != std::string::npos);
}

}  // namespace
}  // namespace sluice::cni
