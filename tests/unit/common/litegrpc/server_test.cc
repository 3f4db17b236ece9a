// SPDX-License-Identifier: Apache-2.0
// The server's unary calls, with gRPC's own client at the other end.
#include "common/litegrpc/server.h"

#include <doctest/doctest.h>

#include "tests/unit/common/litegrpc/running.h"
#include "tests/unit/common/litegrpc/witness.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::litegrpc;
using namespace sluice::litegrpc::test;
using sluice::test::TempDir;

namespace {

Methods echo() {
  Methods methods;
  methods.unary["/test.Echo/Say"] = [](std::string_view request, const Reply& reply) {
    reply("<" + std::string(request) + ">");
  };
  return methods;
}

Methods failing(const Error& error) {
  Methods methods;
  methods.unary["/test.Echo/Say"] = [error](std::string_view, const Reply& reply) {
    reply(fail(error));
  };
  return methods;
}

}  // namespace

TEST_CASE("a unary call is answered, and the next on the same connection") {
  const TempDir dir;
  RunningServer server(dir / "s", echo());
  WitnessClient client(dir / "s");
  for (const std::string body : {"one", "", "three"}) {
    const auto outcome = client.call("/test.Echo/Say", body);
    CHECK(outcome.status.error_message() == "");
    REQUIRE(outcome.status.ok());
    CHECK(outcome.body == "<" + body + ">");
  }
}

TEST_CASE("every code of ours is the gRPC status of its name, with the whole message") {
  using grpc::StatusCode;
  const std::pair<Code, StatusCode> pairs[] = {
      {Code::kInvalid, StatusCode::INVALID_ARGUMENT},
      {Code::kNotFound, StatusCode::NOT_FOUND},
      {Code::kExists, StatusCode::ALREADY_EXISTS},
      {Code::kPrecondition, StatusCode::FAILED_PRECONDITION},
      {Code::kExhausted, StatusCode::RESOURCE_EXHAUSTED},
      {Code::kUnavailable, StatusCode::UNAVAILABLE},
      {Code::kTimeout, StatusCode::DEADLINE_EXCEEDED},
      {Code::kPermission, StatusCode::PERMISSION_DENIED},
      {Code::kUnsupported, StatusCode::UNIMPLEMENTED},
      {Code::kInternal, StatusCode::INTERNAL},
  };
  for (const auto& [code, expected] : pairs) {
    const TempDir dir;
    Error error;
    error.code = code;
    error.message = "50% of Gerät „eth0“\n\tare 网卡";
    error.context = {"asking"};
    RunningServer server(dir / "s", failing(error));
    WitnessClient client(dir / "s");
    const auto outcome = client.call("/test.Echo/Say", "x");
    CHECK(outcome.status.error_code() == expected);
    CHECK(outcome.status.error_message() == error.to_string());
  }
}

TEST_CASE("a message that would break a peer's header limit is cut, the status arrives") {
  const TempDir dir;
  Error error;
  error.code = Code::kNotFound;
  for (int i = 0; i < 50000; ++i) error.message += "ä";
  RunningServer server(dir / "s", failing(error));
  WitnessClient client(dir / "s");
  const auto outcome = client.call("/test.Echo/Say", "x");
  CHECK(outcome.status.error_code() == grpc::StatusCode::NOT_FOUND);
  const std::string& message = outcome.status.error_message();
  CHECK(message.size() > 1000);
  CHECK(message.size() % 2 == 0);  // cut between two characters
  CHECK(error.message.starts_with(message));
}

TEST_CASE("an unknown method, also of an unknown service, is UNIMPLEMENTED") {
  const TempDir dir;
  RunningServer server(dir / "s", echo());
  WitnessClient client(dir / "s");
  for (const std::string method : {"/test.Echo/Sing", "/other.Service/Say", "/"}) {
    const auto outcome = client.call(method, "x");
    CHECK(outcome.status.error_code() == grpc::StatusCode::UNIMPLEMENTED);
    CHECK(outcome.status.error_message() == "there is no method '" + method + "'");
  }
  CHECK(client.call("/test.Echo/Say", "x").body == "<x>");
}

TEST_CASE("messages of the largest size pass both ways, larger ones are RESOURCE_EXHAUSTED") {
  const TempDir dir;
  RunningServer server(dir / "s", echo());
  WitnessClient client(dir / "s");
  std::string body(kMaxMessageBytes, 'x');
  for (std::size_t i = 0; i < body.size(); i += 997) body[i] = static_cast<char>(i);
  const auto most = client.call("/test.Echo/Say", body);
  CHECK(most.status.ok());
  CHECK((most.body == "<" + body + ">"));
  const auto over = client.call("/test.Echo/Say", body + "y");
  CHECK(over.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(over.status.error_message() == "the request has 4194305 bytes; allowed are 4194304");
  CHECK(client.call("/test.Echo/Say", "still").body == "<still>");
}

TEST_CASE("a hundred calls at once on one connection, each with its own answer") {
  const TempDir dir;
  // Answered in another order than they came.
  auto waiting = std::make_shared<std::vector<std::pair<std::string, Reply>>>();
  Methods methods;
  methods.unary["/test.Echo/Say"] = [waiting](std::string_view request, Reply reply) {
    waiting->emplace_back(std::string(request), std::move(reply));
    if (waiting->size() < 100) return;
    for (auto it = waiting->rbegin(); it != waiting->rend(); ++it) it->second(it->first);
  };
  RunningServer server(dir / "s", std::move(methods));
  WitnessClient client(dir / "s");
  std::vector<std::string> bodies;
  for (int i = 0; i < 100; ++i) {
    bodies.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i) * 300, '.'));
  }
  const auto outcomes = client.calls("/test.Echo/Say", bodies);
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    CHECK(outcomes[i].status.ok());
    CHECK((outcomes[i].body == bodies[i]));
  }
  server.run([&] { waiting->clear(); });
}

TEST_CASE("more calls than streams are allowed: the client queues them") {
  const TempDir dir;
  ServerLimits limits;
  limits.streams = 3;
  RunningServer server(dir / "s", echo(), limits);
  WitnessClient client(dir / "s");
  REQUIRE(client.call("/test.Echo/Say", "x").status.ok());  // it knows our settings now
  const auto outcomes = client.calls("/test.Echo/Say", std::vector<std::string>(50, "y"));
  for (const auto& outcome : outcomes) CHECK(outcome.status.ok());
}

TEST_CASE("a deadline ends the call; a late reply, and a second one, go nowhere") {
  const TempDir dir;
  auto kept = std::make_shared<std::vector<Reply>>();
  Methods methods = echo();
  methods.unary["/test.Echo/Never"] = [kept](std::string_view, Reply reply) {
    kept->push_back(std::move(reply));
  };
  methods.unary["/test.Echo/Twice"] = [](std::string_view, const Reply& reply) {
    reply("first");
    reply("second");
    reply(fail(Code::kInternal, "third"));
  };
  RunningServer server(dir / "s", std::move(methods));
  WitnessClient client(dir / "s");
  const auto late = client.call("/test.Echo/Never", "x", std::chrono::milliseconds(50));
  CHECK(late.status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  server.run([&] {
    REQUIRE(kept->size() == 1);
    kept->front()("too late");
  });
  const auto twice = client.call("/test.Echo/Twice", "x");
  CHECK(twice.status.ok());
  CHECK(twice.body == "first");
  CHECK(client.call("/test.Echo/Say", "x").body == "<x>");
  server.run([&] {
    kept->front()("much too late");
    kept->clear();
  });
}

TEST_CASE("a client's keepalive pings are answered, also without calls under way") {
  const TempDir dir;
  RunningServer server(dir / "s", echo());
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  WitnessClient client(dir / "s", arguments);
  REQUIRE(client.call("/test.Echo/Say", "x").status.ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(client.channel().GetState(false) == GRPC_CHANNEL_READY);
  CHECK(client.call("/test.Echo/Say", "x").status.ok());
}

TEST_CASE("a client that compresses is told that nobody here can read it") {
  const TempDir dir;
  RunningServer server(dir / "s", echo());
  grpc::ChannelArguments arguments;
  arguments.SetCompressionAlgorithm(GRPC_COMPRESS_GZIP);
  WitnessClient client(dir / "s", arguments);
  const auto outcome = client.call("/test.Echo/Say", std::string(10000, 'z'));
  CHECK(outcome.status.error_code() == grpc::StatusCode::UNIMPLEMENTED);
}
