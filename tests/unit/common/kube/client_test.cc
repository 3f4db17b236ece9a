// SPDX-License-Identifier: Apache-2.0
#include "common/kube/client.h"

#include <doctest/doctest.h>

#include <thread>

#include "common/os/files.h"
#include "tests/support/fake_api_server/certificates.h"
#include "tests/support/fake_api_server/fake_api_server.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::kube {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);
const char* const kThings = "/apis/example.com/v1/things";

struct World {
  explicit World(ClientLimits limits = {}) {
    const auto ca = test::make_authority(dir.path(), "ca");
    const auto pair = test::make_certificate(dir.path(), "server", ca);
    server = test::FakeApiServer::start({pair.certificate, pair.key, ""});
    config.server = server->url();
    config.ca.file = ca.certificate;
    config.token.file = dir / "token";
    dir.file("token", "first\n");
    auto made = Client::make(config, Logger(), limits);
    REQUIRE(made);
    client = *std::move(made);
  }

  void answer(int status, const std::string& body) const {
    server->set_hook([status, body](const test::ApiRequest&) {
      return std::optional(test::ApiAnswer{status, body});
    });
  }
  Error error() const {
    const auto answer = client->get(std::string(kThings) + "/a", kPatience);
    REQUIRE(!answer);
    return answer.error();
  }

  test::TempDir dir;
  std::unique_ptr<test::FakeApiServer> server;
  Config config;
  std::unique_ptr<Client> client;  // goes before the server, whose connections it holds
};

}  // namespace

TEST_CASE("client: create, get, update, list, remove") {
  const World world;
  const std::string path = std::string(kThings) + "/a";
  REQUIRE(world.client->create(kThings, R"({"metadata":{"name":"a"},"spec":{"x":1}})", kPatience));
  const auto again = world.client->create(kThings, R"({"metadata":{"name":"a"}})", kPatience);
  REQUIRE(!again);
  CHECK(again.error().code == Code::kExists);
  CHECK(again.error().native == 409);
  CHECK(again.error().domain == Domain::kKube);

  const auto got = world.client->get(path, kPatience);
  REQUIRE(got);
  CHECK(world.client->update(path, *got, kPatience));
  const auto stale = world.client->update(path, *got, kPatience);  // an old resourceVersion now
  REQUIRE(!stale);
  CHECK(stale.error().code == Code::kPrecondition);
  CHECK(stale.error().retry == Retry::kLater);

  CHECK(world.client->list(kThings, {}, kPatience)->size() == 1);
  const auto other = world.client->remove(path, "another-uid", kPatience);
  REQUIRE(!other);
  CHECK(other.error().code == Code::kPrecondition);
  CHECK(world.client->remove(path, "", kPatience));
  CHECK(world.client->remove(path, "", kPatience));  // gone already
  CHECK(world.client->get(path, kPatience).error().code == Code::kNotFound);
  CHECK(world.client->list(kThings, {}, kPatience)->empty());
}

TEST_CASE("client: lists come in pages and by selector") {
  const World world(ClientLimits{.page_items = 2});
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    world.server->put(std::string(kThings) + "/" + name,
                      std::string(R"({"metadata":{"name":")") + name + R"("},"spec":{"even":")" +
                          (*name % 2 == 0 ? "yes" : "no") + "\"}}");
  }
  CHECK(world.client->list(kThings, {}, kPatience)->size() == 5);
  CHECK(world.server->requests().size() == 3);
  CHECK(world.client->list(kThings, {"spec.even=yes", ""}, kPatience)->size() == 2);
}

TEST_CASE("client: a list that expires between two pages is begun again, once") {
  const World world(ClientLimits{.page_items = 1});
  for (const char* name : {"a", "b"}) {
    world.server->put(std::string(kThings) + "/" + name, R"({"metadata":{}})");
  }
  auto expiries = std::make_shared<std::atomic<int>>(1);
  world.server->set_hook([expiries](const test::ApiRequest& request) {
    if (!request.query.contains("continue") || (*expiries)-- <= 0) {
      return std::optional<test::ApiAnswer>();
    }
    return std::optional(test::status_answer(410, "Expired", "too old"));
  });
  CHECK(world.client->list(kThings, {}, kPatience)->size() == 2);
  *expiries = 100;
  const auto never = world.client->list(kThings, {}, kPatience);
  REQUIRE(!never);
  CHECK(never.error().native == 410);
}

TEST_CASE("client: every refusal has its code") {
  const World world;
  const auto refuse = [&](int status, const char* reason) {
    const auto answer = test::status_answer(status, reason, "because " + std::string(900, 'x'));
    world.answer(answer.status, answer.body);
    const auto error = world.error();
    CHECK(error.native == status);
    CHECK(error.message.size() < 800);
    CHECK(error.message.find("because") != std::string::npos);
    return error;
  };
  CHECK(refuse(400, "BadRequest").code == Code::kInvalid);
  CHECK(refuse(401, "Unauthorized").code == Code::kPermission);
  CHECK(refuse(403, "Forbidden").code == Code::kPermission);
  CHECK(refuse(404, "NotFound").code == Code::kNotFound);
  CHECK(refuse(409, "AlreadyExists").code == Code::kExists);
  CHECK(refuse(409, "Conflict").code == Code::kPrecondition);
  CHECK(refuse(410, "Gone").code == Code::kPrecondition);
  CHECK(refuse(415, "UnsupportedMediaType").code == Code::kUnsupported);
  CHECK(refuse(422, "Invalid").code == Code::kInvalid);
  CHECK(refuse(422, "Invalid").retry == Retry::kNever);
  for (const int status : {429, 500, 503, 504}) {
    const auto error = refuse(status, "Busy");
    CHECK(error.code == Code::kUnavailable);
    CHECK(error.retry == Retry::kLater);
  }
}

TEST_CASE("client: answers that are no API server's") {
  const World world;
  world.answer(200, "<html>login</html>");
  CHECK(world.error().code == Code::kInvalid);
  world.answer(200, "[]");
  CHECK(world.error().code == Code::kInvalid);
  world.answer(200, "");
  CHECK(world.error().code == Code::kInvalid);
  world.answer(200, "{\"a\":");
  CHECK(world.error().code == Code::kInvalid);
  world.answer(200, std::string(500000, '['));
  CHECK(world.error().code == Code::kInvalid);
  world.answer(302, "elsewhere");  // not followed: the token is for this server
  CHECK(world.error().code == Code::kInternal);
  world.answer(503, "<html>proxy</html>");
  CHECK(world.error().code == Code::kUnavailable);
  for (const char* body : {"{}", "{\"items\":{}}", "null", "{\"items\":7}",
                           "{\"items\":[],\"metadata\":{\"continue\":\"x\"}}"}) {
    CAPTURE(body);
    world.answer(200, body);
    const auto list = world.client->list(kThings, {}, kPatience);
    REQUIRE(!list);
    CHECK(list.error().code == Code::kInvalid);
  }
}

TEST_CASE("client: answers that nest deep are refused before anything walks through them") {
  const World world;
  const auto nested = [](std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  const auto list_of = [&](std::size_t levels) {  // an object and an array around the item
    world.answer(200, "{\"items\":[" + nested(levels - 2) + "]}");
    return world.client->list(kThings, {}, kPatience);
  };
  for (const std::size_t levels : {101U, 200000U, 4000000U}) {
    CAPTURE(levels);
    const auto list = list_of(levels);
    REQUIRE(!list);
    CHECK(list.error().code == Code::kInvalid);
    CHECK(list.error().message.find("deeper than 100") != std::string::npos);
    world.answer(200, "{\"a\":" + nested(levels - 1) + "}");
    CHECK(world.error().code == Code::kInvalid);
    world.answer(503, "{\"a\":" + nested(levels - 1) + "}");
    CHECK(world.error().code == Code::kUnavailable);
  }
  REQUIRE(list_of(100));
  CHECK(list_of(100)->at(0) == nested(98));
}

TEST_CASE("client: answers are bounded, in bytes and in items") {
  const World world(ClientLimits{.answer_bytes = 1000, .list_items = 3});
  world.answer(200, "{\"a\":\"" + std::string(2000, 'x') + "\"}");
  CHECK(world.error().code == Code::kInvalid);
  world.answer(200, R"({"items":[1,2,3,4]})");
  CHECK(world.client->list(kThings, {}, kPatience).error().code == Code::kInvalid);
  // The connection is good for more.
  world.answer(200, "{}");
  CHECK(world.client->get(kThings, kPatience));
}

TEST_CASE("client: a token that was replaced is sent, and a 401 reads it again") {
  const World world;
  world.answer(200, "{}");
  CHECK(world.client->get("/a", kPatience));
  CHECK(world.server->requests().back().token == "first");
  REQUIRE(os::write_file_atomic(world.dir / "token", "second"));
  CHECK(world.client->get("/a", kPatience));
  CHECK(world.server->requests().back().token == "second");

  // It is replaced while the request with the old one is under way.
  const std::string file = world.dir / "token";
  world.server->set_hook([file](const test::ApiRequest& request) {
    if (request.token == "third") return std::optional(test::ApiAnswer{200, "{}"});
    (void)os::write_file_atomic(file, "third");
    return std::optional(test::status_answer(401, "Unauthorized", "expired"));
  });
  CHECK(world.client->get("/a", kPatience));
  CHECK(world.server->requests().back().token == "third");

  REQUIRE(os::write_file_atomic(file, "a\r\nX-Injected: b"));
  const auto hostile = world.client->get("/a", kPatience);
  REQUIRE(!hostile);
  CHECK(hostile.error().code == Code::kInvalid);
  CHECK(hostile.error().to_string().find("Injected") == std::string::npos);
}

TEST_CASE("client: a server that hangs costs no more than the deadline") {
  const World world;
  world.server->hang(true);
  const auto late = world.client->get("/a", std::chrono::milliseconds(200));
  REQUIRE(!late);
  CHECK(late.error().code == Code::kTimeout);
  CHECK(late.error().retry == Retry::kLater);
  world.server->hang(false);
  world.answer(200, "{}");
  CHECK(world.client->get("/a", kPatience));
}

TEST_CASE("client: cancel ends the call under way and every later one") {
  const World world;
  world.server->hang(true);
  std::thread other([&] {
    world.server->wait_for_hanging(1);
    world.client->cancel();
  });
  const auto canceled = world.client->get("/a", std::chrono::hours(1));
  other.join();
  REQUIRE(!canceled);
  CHECK(canceled.error().code == Code::kUnavailable);
  CHECK(canceled.error().message.find("canceled") != std::string::npos);
  CHECK(world.client->get("/a", std::chrono::hours(1)).error().code == Code::kUnavailable);
}

TEST_CASE("client: nobody there") {
  World world;
  world.server.reset();
  const auto answer = world.client->get("/a", kPatience);
  REQUIRE(!answer);
  CHECK(answer.error().code == Code::kUnavailable);
  CHECK(answer.error().retry == Retry::kLater);
}

TEST_CASE("client: what goes into a query is encoded") {
  CHECK(percent_encoded("spec.nodeName=a,b c&d") == "spec.nodeName%3Da%2Cb%20c%26d");
  CHECK(percent_encoded("\xff") == "%FF");
}

}  // namespace sluice::kube
