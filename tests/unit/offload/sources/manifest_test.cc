// SPDX-License-Identifier: Apache-2.0
#include "offload/sources/manifest.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace sluice;
using namespace sluice::sources;

namespace {

const char* const kGood = R"(
apiVersion: v1
kind: Node
metadata: {name: node-a, labels: {zone: x}}
spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}
status:
  addresses:
    - {type: Hostname, address: node-a}
    - {type: InternalIP, address: "fd00::1"}
    - {type: InternalIP, address: 172.30.0.11}
  nodeInfo: {anything: [goes]}
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: web}
spec:
  type: NodePort
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, "fd00::10"]
  internalTrafficPolicy: Local
  ports:
    - {name: http, port: 80, targetPort: http, nodePort: 30080}
    - {name: dns, port: 53, protocol: UDP, targetPort: 5353}
---
apiVersion: v1
kind: List
items:
  - apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {namespace: shop, name: web-abc, labels: {kubernetes.io/service-name: web}}
    addressType: IPv4
    ports: [{name: http, protocol: TCP, port: 8080}, {name: dns, protocol: UDP, port: 5353}]
    endpoints:
      - addresses: [10.244.1.10]
        conditions: {ready: false, serving: true, terminating: true}
        nodeName: node-a
        targetRef: {kind: Pod, namespace: shop, name: web-0}
        hints: {forZones: [{name: x}]}
      - addresses: [10.244.1.11]
  - apiVersion: v1
    kind: Pod
    metadata: {name: web-0}
    spec:
      nodeName: node-a
      hostNetwork: true
      containers:
        - {name: web, image: x, ports: [{containerPort: 8080, hostPort: 0}], resources: {limits: {sluice.dev/vf: 1, cpu: 500m}}}
)";

// kGood with one piece of it replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string error_of(const std::string& text) {
  const auto result = parse_manifest(text);
  if (result) return "(none)";
  CHECK(result.error().code == Code::kInvalid);
  CHECK(result.error().domain == Domain::kConfig);
  return result.error().message;
}

}  // namespace

TEST_CASE("a good manifest is read") {
  const auto m = parse_manifest(kGood);
  REQUIRE_MESSAGE(m, (m ? "" : m.error().to_string()));
  CHECK(m->warnings.empty());
  REQUIRE(m->nodes.size() == 1);
  CHECK(m->nodes[0].address.to_string() == "172.30.0.11");
  CHECK(m->nodes[0].pod_cidr.to_string() == "10.244.1.0/24");
  REQUIRE(m->services.size() == 1);
  CHECK(m->services[0].name == "shop/web");
  CHECK(m->services[0].internal_policy == model::TrafficPolicy::kLocal);
  CHECK(m->services[0].external_policy == model::TrafficPolicy::kCluster);
  REQUIRE(m->pods.size() == 1);
  CHECK(m->pods[0].name == "default/web-0");
  CHECK(m->pods[0].host_network);
  const auto cluster = merge(*m);
  REQUIRE(cluster);
  const auto& endpoints = cluster->services[0].ports[0].endpoints;
  REQUIRE(endpoints.size() == 2);
  CHECK_FALSE(endpoints[0].ready);
  CHECK(endpoints[0].serving);
  CHECK(endpoints[0].terminating);
  CHECK(endpoints[0].node == "node-a");
  CHECK(endpoints[1].ready);
  CHECK(endpoints[1].serving);
  CHECK_FALSE(endpoints[1].terminating);
}

TEST_CASE("mistakes are named by document, object, path, value and what is allowed") {
  const struct {
    const char* from;
    const char* to;
    const char* message;
  } table[] = {
      {"port: 80, t", "prot: TCP, t",
       "document 2: Service shop/web: spec.ports[0].prot is unknown; did you mean 'protocol'?"},
      {"  clusterIP: 10.96.0.10\n", "  clusterIp: 10.96.0.10\n",
       "spec.clusterIp is unknown; did you mean 'clusterIP'?"},
      {"kind: Node\n", "kind: Noed\n",
       "document 1: Noed default/node-a: kind is 'Noed', must be one of Node, Pod, Service, "
       "EndpointSlice, List"},
      {"apiVersion: v1\nkind: Node", "apiVersion: v2\nkind: Node",
       "apiVersion is 'v2', must be 'v1'"},
      {"discovery.k8s.io/v1\n", "discovery.k8s.io/v1beta1\n",
       "document 3, items[0]: EndpointSlice shop/web-abc: apiVersion is "
       "'discovery.k8s.io/v1beta1', must be 'discovery.k8s.io/v1'"},
      {"port: 80, t", "port: 0, t",
       "spec.ports[0].port is 0, must be a whole number from 1 to 65535"},
      {"port: 80, t", "port: 65536, t",
       "spec.ports[0].port is 65536, must be a whole number from 1 to 65535"},
      {"port: 80, t", "port: \"80\", t", "spec.ports[0].port is '80', must be a whole number"},
      {"port: 80, t", "port: 80.5, t", "spec.ports[0].port is 80.5, must be a whole number"},
      {"port: 80, t", "t", "spec.ports[0].port is missing"},
      {"nodePort: 30080", "nodePort: 18446744073709551615",
       "nodePort is 18446744073709551615, must be"},
      {"type: NodePort", "type: Nodeport",
       "spec.type is 'Nodeport', must be one of ClusterIP, NodePort, LoadBalancer, ExternalName"},
      {"type: NodePort", "type: ClusterIP",
       "spec.ports[0].nodePort is 30080, must not be set when spec.type is ClusterIP"},
      {"internalTrafficPolicy: Local", "internalTrafficPolicy: local",
       "must be one of Cluster, Local"},
      {"protocol: UDP, t", "protocol: udp, t",
       "spec.ports[1].protocol is 'udp', must be one of TCP, UDP, SCTP"},
      {"{name: http, port: 80,", "{port: 80,", "spec.ports[0].name is missing"},
      {"{name: dns, port: 53,", "{name: http, port: 53,",
       "spec.ports[1].name 'http' is there twice"},
      {"  clusterIP: 10.96.0.10\n  clusterIPs: [10.96.0.10, \"fd00::10\"]\n", "",
       "spec.clusterIP is missing"},
      {"clusterIP: 10.96.0.10", "clusterIP: 10.96.0.11",
       "spec.clusterIPs[0] is '10.96.0.10', must be the same as spec.clusterIP"},
      {"  clusterIP: 10.96.0.10\n  clusterIPs: [10.96.0.10, ",
       "  clusterIP: 10.96.0.300\n  clusterIPs: [10.96.0.300, ",
       "spec.clusterIP is '10.96.0.300', must be an IPv4 address"},
      {"  clusterIP: 10.96.0.10\n  clusterIPs: [10.96.0.10, ",
       "  clusterIP: 127.0.0.1\n  clusterIPs: [127.0.0.1, ",
       "spec.clusterIP is 127.0.0.1, must not be"},
      {"  clusterIP: 10.96.0.10\n  clusterIPs: [10.96.0.10, ",
       "  clusterIP: 10.244.1.5\n  clusterIPs: [10.244.1.5, ",
       "Service shop/web: spec.clusterIP 10.244.1.5 lies in the pod block 10.244.1.0/24"},
      {"  clusterIP: 10.96.0.10\n  clusterIPs: [10.96.0.10, ",
       "  clusterIP: 172.30.0.11\n  clusterIPs: [172.30.0.11, ",
       "is the InternalIP of Node node-a"},
      {"podCIDR: 10.244.1.0/24", "podCIDR: 10.244.1.1/24",
       "spec.podCIDR is '10.244.1.1/24', must be an IPv4 prefix"},
      {"podCIDR: 10.244.1.0/24", "podCIDR: 10.244.1.0/31", "of length 8 to 30"},
      {"podCIDR: 10.244.1.0/24, ", "", "spec.podCIDR is missing"},
      {"podCIDR: 10.244.1.0/24", "podCIDR: 172.30.0.0/24", "lies in the node's own pod block"},
      {"    - {type: InternalIP, address: 172.30.0.11}\n", "",
       "status.addresses has no entry of type InternalIP"},
      {"address: 172.30.0.11", "address: 172.30.0.011",
       "status.addresses[2].address is '172.30.0.011', must be an IPv4 address"},
      {"name: node-a, l", "name: Node_A, l", "metadata.name is 'Node_A', must be lower case"},
      {"labels: {zone: x}", "labels: {zone: 1}",
       "metadata.labels['zone'] is 1, must be a string (quote it)"},
      {"addressType: IPv4", "addressType: ipv4",
       "addressType is 'ipv4', must be one of IPv4, IPv6, FQDN"},
      {"    addressType: IPv4\n", "", "addressType is missing"},
      {"[10.244.1.11]", "[]", "endpoints[1].addresses is empty"},
      {"[10.244.1.11]", "[10.244.1.11, x]",
       "endpoints[1].addresses[1] is 'x', must be an IPv4 address"},
      {"[10.244.1.11]", "[169.254.169.254]",
       "endpoints[1].addresses[0] is 169.254.169.254, must not be"},
      {"[10.244.1.11]", "[255.255.255.255]", "must not be"},
      {"ready: false", "raedy: false",
       "endpoints[0].conditions.raedy is unknown; did you mean 'ready'?"},
      {"ready: false", "ready: 'no'",
       "endpoints[0].conditions.ready is 'no', must be true or false"},
      {"nodeName: node-a\n        t", "nodename: node-a\n        t",
       "endpoints[0].nodename is unknown; did you mean 'nodeName'?"},
      {"{name: http, protocol: TCP, port: 8080}", "{name: web, protocol: TCP, port: 8080}",
       "ports[0].name 'web' TCP is no port of Service shop/web"},
      {"containerPort: 8080", "containerport: 8080",
       "spec.containers[0].ports[0].containerport is unknown; did you mean 'containerPort'?"},
      {"containerPort: 8080, ", "", "spec.containers[0].ports[0].containerPort is missing"},
      {"hostNetwork: true", "hostnetwork: true",
       "spec.hostnetwork is unknown; did you mean 'hostNetwork'?"},
      {"hostNetwork: true", "hostNetwork: yes", "spec.hostNetwork is 'yes', must be true or false"},
      {"cpu: 500m", "cpu: [1]", "resources.limits['cpu'] is a list, must be a quantity"},
      {"items:", "itmes:", "document 3: List: itmes is unknown; allowed:"},
  };
  for (const auto& row : table) {
    CAPTURE(std::string(row.to));
    const std::string message = error_of(with(row.from, row.to));
    CAPTURE(message);
    CHECK(message.find(row.message) != std::string::npos);
  }
}

TEST_CASE("objects that can't stand beside each other") {
  const std::string good = kGood;
  const std::string node =
      "\n---\n{apiVersion: v1, kind: Node, metadata: {name: NAME}, spec: {podCIDR: CIDR}, status: "
      "{addresses: [{type: InternalIP, address: IP}]}}\n";
  const auto add_node = [&](const char* name, const char* cidr, const char* ip) {
    std::string text = node;
    text.replace(text.find("NAME"), 4, name);
    text.replace(text.find(": CIDR") + 2, 4, cidr);
    text.replace(text.find(": IP}") + 2, 2, ip);
    return error_of(good + text);
  };
  CHECK(add_node("node-b", "10.244.2.0/24", "172.30.0.12") == "(none)");
  CHECK(add_node("node-a", "10.244.2.0/24", "172.30.0.12") == "Node node-a is there twice");
  CHECK(add_node("node-b", "10.244.0.0/16", "172.30.0.12") ==
        "Node node-a: spec.podCIDR 10.244.1.0/24 overlaps 10.244.0.0/16 of Node node-b");
  CHECK(add_node("node-b", "10.244.1.128/25", "172.30.0.12").find("overlaps") != std::string::npos);
  CHECK(add_node("node-b", "10.244.2.0/24", "172.30.0.11") ==
        "Node node-b: status.addresses: the InternalIP 172.30.0.11 is also that of Node node-a");
  CHECK(add_node("node-b", "10.244.2.0/24", "10.244.1.7")
            .find("lies in the pod block of Node node-a") != std::string::npos);

  const auto add_service = [&](const std::string& name, const std::string& ip,
                               const std::string& port) {
    return error_of(
        good + "\n---\n{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: " + name +
        "}, spec: {type: NodePort, clusterIP: " + ip + ", ports: [" + port + "]}}\n");
  };
  CHECK(add_service("db", "10.96.0.11", "{port: 80}") == "(none)");
  CHECK(add_service("web", "10.96.0.11", "{port: 80}") == "Service shop/web is there twice");
  CHECK(add_service("db", "10.96.0.10", "{port: 80}") ==
        "Service shop/db: spec.clusterIP 10.96.0.10 is also that of Service shop/web");
  CHECK(add_service("db", "10.96.0.11", "{port: 80, nodePort: 30080}") ==
        "Service shop/db: spec.ports[0].nodePort 30080 is also that of Service shop/web");
  CHECK(add_service("db", "10.96.0.11", "{port: 80, protocol: UDP, nodePort: 30080}") == "(none)");
  CHECK(add_service("db", "10.96.0.11", "{name: a, port: 80}, {name: b, port: 80}") ==
        "Service shop/db: spec.ports[1].port 80 is there twice for its protocol");
  CHECK(add_service("db", "10.96.0.11",
                    "{name: a, port: 80}, {name: b, port: 80, protocol: UDP}") == "(none)");
}

TEST_CASE("legal but not served: warnings, and what is skipped") {
  const auto services = [](const std::string& spec) {
    return parse_manifest("{apiVersion: v1, kind: Service, metadata: {name: s}, spec: " + spec +
                          "}");
  };
  auto m = services("{clusterIP: None, ports: [{port: 80}]}");
  REQUIRE(m);
  CHECK(m->services.empty());
  CHECK(m->skipped_services == std::vector<std::string>{"default/s"});
  CHECK(m->warnings.empty());
  m = services("{type: ExternalName, externalName: example.org}");
  REQUIRE(m);
  CHECK(m->services.empty());
  m = services("{clusterIP: 10.96.0.1, ports: [{port: 80, protocol: SCTP}]}");
  REQUIRE(m);
  REQUIRE(m->warnings.size() == 1);
  CHECK(m->warnings[0] ==
        Warning{"Service default/s",
                "spec.ports[0].protocol SCTP is unsupported: this port is not served"});
  CHECK(merge(*m)->services[0].ports.empty());
  m = services(
      "{clusterIP: 10.96.0.1, sessionAffinity: ClientIP, externalIPs: [1.2.3.4], ports: [{port: "
      "80}]}");
  REQUIRE(m);
  CHECK(m->warnings.size() == 2);
  m = services("{clusterIP: 'fd00::1', ports: [{port: 80}]}");
  REQUIRE(m);
  CHECK(m->services.empty());
  CHECK(m->warnings.size() == 1);

  m = parse_manifest(with("kubernetes.io/service-name: web", "kubernetes.io/service-name: other"));
  REQUIRE(m);
  REQUIRE(m->warnings.size() == 1);
  CHECK(m->warnings[0].message == "Service shop/other is unknown: ignored");
  m = parse_manifest(with("addressType: IPv4", "addressType: IPv6"));
  REQUIRE(m);
  CHECK(m->slices.empty());
  m = parse_manifest(with("      nodeName: node-a\n      hostNetwork",
                          "      nodeName: node-z\n      hostNetwork"));
  REQUIRE(m);
  REQUIRE(m->warnings.size() == 1);
  CHECK(m->warnings[0].object == "Pod default/web-0");
  m = parse_manifest(with("metadata: {namespace: shop, name: web}",
                          "metadata: {namespace: shop, name: web, labels: "
                          "{service.kubernetes.io/service-proxy-name: x}}"));
  REQUIRE(m);
  CHECK(m->services.empty());
}

TEST_CASE("null is absent, an empty manifest is a manifest") {
  CHECK(error_of("{apiVersion: v1, kind: Service, metadata: {name: s, labels: null}, spec: {type: "
                 "~, clusterIP: 10.96.0.1, selector: , ports: [{port: 80}]}}") == "(none)");
  for (const char* text : {"", "---\n", "# nothing", "{apiVersion: v1, kind: List, items: []}",
                           "{apiVersion: v1, kind: List}"}) {
    CAPTURE(text);
    CHECK(error_of(text) == "(none)");
  }
  CHECK(error_of("just words") == "document 1 is 'just words', must be a Kubernetes object");
  CHECK(error_of("[1]") == "document 1 is a list, must be a Kubernetes object");
  CHECK(error_of("{}").find("kind is null, must be one of") != std::string::npos);
  CHECK(error_of("{apiVersion: v1, kind: List, items: [7]}").find("items[0]") != std::string::npos);
  CHECK(error_of("{kind: [Node], metadata: 7}").find("kind is a list") != std::string::npos);
}

TEST_CASE("more objects than anybody has are refused") {
  std::string text = "apiVersion: v1\nkind: List\nitems:\n";
  for (std::size_t i = 0; i <= kMaxManifestObjects; ++i) {
    text += "- {apiVersion: v1, kind: Service, metadata: {name: s" + std::to_string(i) +
            "}, spec: {clusterIP: None}}\n";
  }
  CHECK(error_of(text).find("more than 100000 objects") != std::string::npos);
}
