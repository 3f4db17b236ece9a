// SPDX-License-Identifier: Apache-2.0
#include "common/kube/config.h"

#include <doctest/doctest.h>

#include "tests/unit/common/temp_dir.h"

namespace sluice::kube {
namespace {

std::string kubeconfig(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
         "contexts:\n- name: there\n  context: {cluster: other, user: none}\n"
         "- name: here\n  context: {cluster: c, user: u, namespace: shop}\n"
         "clusters:\n- name: other\n  cluster: {server: 'https://other:1'}\n"
         "- name: c\n  cluster:\n    server: https://10.0.0.1:6443/\n" +
         cluster + "users:\n- name: none\n  user: {}\n- name: u\n  user:\n    x: y\n" + user;
}

void refused(const std::string& yaml, Code code, const std::string& names) {
  CAPTURE(yaml);
  const auto config = parse_kubeconfig(yaml, "/etc");
  REQUIRE(!config);
  CHECK(config.error().code == code);
  CAPTURE(config.error().to_string());
  CHECK(config.error().to_string().find(names) != std::string::npos);
}

}  // namespace

TEST_CASE("kubeconfig: files count from its directory, data comes before files") {
  const auto config = parse_kubeconfig(
      kubeconfig("    certificate-authority: pki/ca.crt\n",
                 "    client-certificate-data: Zm9v\n    client-certificate: ignored.crt\n"
                 "    client-key: /abs/key\n    token: sesame\n"),
      "/etc/kubernetes");
  REQUIRE(config);
  CHECK(config->server == "https://10.0.0.1:6443");
  CHECK(config->ca.file == "/etc/kubernetes/pki/ca.crt");
  CHECK(config->client_certificate == Material{"foo", ""});
  CHECK(config->client_key == Material{"", "/abs/key"});
  CHECK(config->token.text == "sesame");
  CHECK(config->namespace_name == "shop");
  CHECK(config->warnings.empty());
}

TEST_CASE("kubeconfig: another context, a token file, the insecure wish") {
  const auto yaml =
      kubeconfig("    insecure-skip-tls-verify: true\n", "    token: old\n    tokenFile: token\n");
  const auto other = parse_kubeconfig(yaml, "/etc", "there");
  REQUIRE(other);
  CHECK(other->server == "https://other:1");
  CHECK(other->token.empty());
  const auto config = parse_kubeconfig(yaml, "/etc");
  REQUIRE(config);
  CHECK(config->token == Material{"", "/etc/token"});
  CHECK(config->insecure_skip_tls_verify);
  REQUIRE(config->warnings.size() == 1);
  CHECK(config->warnings[0].find("insecure-skip-tls-verify") != std::string::npos);
}

TEST_CASE("kubeconfig: what isn't supported is named, what is wrong too") {
  refused(kubeconfig("", "    exec: {command: aws}\n"), Code::kUnsupported, "'exec'");
  refused(kubeconfig("", "    auth-provider: {name: gcp}\n"), Code::kUnsupported, "auth-provider");
  refused(kubeconfig("", "    username: a\n    password: b\n"), Code::kUnsupported, "username");
  refused(kubeconfig("", "    as: root\n"), Code::kUnsupported, "'as'");
  refused(kubeconfig("    proxy-url: http://p\n", ""), Code::kUnsupported, "proxy-url");
  refused(kubeconfig("    tls-server-name: x\n", ""), Code::kUnsupported, "tls-server-name");
  refused(kubeconfig("    certificate-authority-data: '*'\n", ""), Code::kInvalid,
          "certificate-authority-data");
  refused(kubeconfig("    insecure-skip-tls-verify: true\n    certificate-authority: a\n", ""),
          Code::kInvalid, "both");
  refused(kubeconfig("    insecure-skip-tls-verify: maybe\n", ""), Code::kInvalid, "line");
  refused(kubeconfig("", "    client-certificate: a\n"), Code::kInvalid, "client-key");
  refused("a: [", Code::kInvalid, "line");
  refused("- a\n- b\n", Code::kInvalid, "mapping");
  refused("current-context: x\n", Code::kInvalid, "'x'");
  refused("contexts: []\n", Code::kInvalid, "current-context");
  refused("current-context: x\ncontexts:\n- name: x\n  context: {cluster: c}\n", Code::kInvalid,
          "clusters has no entry named 'c'");
  refused(std::string(2U << 20U, ' '), Code::kInvalid, "allowed are");
  for (const char* open : {"[", "{", "- ", "{a: ", "? "}) {
    std::string deep;
    while (deep.size() < 500000) deep += open;
    refused(deep, Code::kInvalid, "kubeconfig");
  }
}

TEST_CASE("config: no secret over plain http, no URL with more in it than a server") {
  Config config;
  config.server = "http://127.0.0.1:8080";
  CHECK(check(config));
  config.token.text = "sesame";
  REQUIRE(!check(config));
  CHECK(check(config).error().message.find("sesame") == std::string::npos);
  for (const char* server : {"", "ftp://a", "10.0.0.1", "https://a b", "https://me:pw@host",
                             "https://host?x", "https://host\r\nX: y"}) {
    CAPTURE(server);
    config.server = server;
    CHECK(!check(config));
  }
}

TEST_CASE("in the cluster: what the kubelet mounts, IPv6 too") {
  const test::TempDir dir;
  PodEnvironment environment{"fd00::1", "443", dir.path()};
  auto config = in_cluster(environment);
  REQUIRE(!config);
  CHECK(config.error().to_string().find("token") != std::string::npos);
  dir.file("token", "sesame\n");
  dir.file("ca.crt", "PEM\n");
  dir.file("namespace", "sluice-system\n");
  config = in_cluster(environment);
  REQUIRE(config);
  CHECK(config->server == "https://[fd00::1]:443");
  CHECK(*config->token.read() == "sesame");
  CHECK(config->namespace_name == "sluice-system");
  environment.host.clear();
  CHECK(in_cluster(environment).error().code == Code::kPrecondition);
}

}  // namespace sluice::kube
