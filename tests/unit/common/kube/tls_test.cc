// SPDX-License-Identifier: Apache-2.0
// Who is trusted, and what is sent to whom: real TLS on loopback.
#include <doctest/doctest.h>

#include "common/kube/client.h"
#include "common/os/files.h"
#include "tests/support/fake_api_server/certificates.h"
#include "tests/support/fake_api_server/fake_api_server.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::kube {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

struct Certificates {
  test::TempDir dir;
  test::KeyPair ca = test::make_authority(dir.path(), "ca");
  test::KeyPair stranger = test::make_authority(dir.path(), "stranger");
  test::KeyPair server = test::make_certificate(dir.path(), "server", ca);
  test::KeyPair client = test::make_certificate(dir.path(), "client", ca);

  Config config(const std::string& url) const {
    Config out;
    out.server = url;
    out.ca.file = ca.certificate;
    return out;
  }
};

std::unique_ptr<Client> client_of(const Config& config) {
  auto client = Client::make(config, Logger());
  REQUIRE(client);
  return *std::move(client);
}

void replace(const std::string& path, const std::string& with) {
  REQUIRE(os::write_file_atomic(path, *os::read_file(with)));
}

}  // namespace

TEST_CASE("tls: the right authority is trusted, another is not") {
  const Certificates certificates;
  const auto server =
      test::FakeApiServer::start({certificates.server.certificate, certificates.server.key, ""});
  server->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1"}})");
  auto config = certificates.config(server->url());
  CHECK(client_of(config)->get("/api/v1/nodes/n1", kPatience));

  config.ca.file = certificates.stranger.certificate;
  config.token.text = "sesame";
  auto refused = client_of(config)->get("/api/v1/nodes/n1", kPatience);
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::kPermission);
  config.ca = {};  // the system's authorities don't know it either
  CHECK(client_of(config)->get("/api/v1/nodes/n1", kPatience).error().code == Code::kPermission);
  CHECK(server->requests().size() == 1);  // nothing was sent to a server that isn't trusted

  config.insecure_skip_tls_verify = true;
  CHECK(client_of(config)->get("/api/v1/nodes/n1", kPatience));
}

TEST_CASE("tls: a certificate for another name isn't taken") {
  const Certificates certificates;
  const auto server =
      test::FakeApiServer::start({certificates.server.certificate, certificates.server.key, ""});
  auto config = certificates.config(server->url());
  config.server.replace(config.server.find("127.0.0.1"), 9, "localhost");
  const auto answer = client_of(config)->get("/api/v1/nodes/n1", kPatience);
  REQUIRE(!answer);
  CHECK(answer.error().code == Code::kPermission);
}

TEST_CASE("tls: a client certificate is shown, and it is the server that refuses without") {
  const Certificates certificates;
  const auto server = test::FakeApiServer::start(
      {certificates.server.certificate, certificates.server.key, certificates.ca.certificate});
  server->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1"}})");
  auto config = certificates.config(server->url());
  CHECK(!client_of(config)->get("/api/v1/nodes/n1", kPatience));
  config.client_certificate.file = certificates.client.certificate;
  config.client_key.file = certificates.client.key;
  CHECK(client_of(config)->get("/api/v1/nodes/n1", kPatience));
  REQUIRE(server->requests().size() == 1);
  CHECK(server->requests()[0].client_subject == "client");
}

TEST_CASE("tls: an authority that is replaced in its file counts from the next call on") {
  const Certificates certificates;
  const auto server =
      test::FakeApiServer::start({certificates.server.certificate, certificates.server.key, ""});
  server->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1"}})");
  const std::string file = certificates.dir / "current.crt";
  replace(file, certificates.ca.certificate);
  auto config = certificates.config(server->url());
  config.ca.file = file;
  const auto client = client_of(config);
  CHECK(client->get("/api/v1/nodes/n1", kPatience));
  // Not even by the connection that is still open.
  replace(file, certificates.stranger.certificate);
  CHECK(client->get("/api/v1/nodes/n1", kPatience).error().code == Code::kPermission);
  replace(file, certificates.ca.certificate);
  CHECK(client->get("/api/v1/nodes/n1", kPatience));
}

TEST_CASE("tls: one connection serves several calls") {
  const Certificates certificates;
  const auto server =
      test::FakeApiServer::start({certificates.server.certificate, certificates.server.key, ""});
  server->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1"}})");
  const auto client = client_of(certificates.config(server->url()));
  for (int i = 0; i < 3; ++i) REQUIRE(client->get("/api/v1/nodes/n1", kPatience));
  const auto requests = server->requests();
  CHECK(requests[0].peer == requests[1].peer);
  CHECK(requests[1].peer == requests[2].peer);
}

}  // namespace sluice::kube
