// SPDX-License-Identifier: Apache-2.0
// Calls of ours, to gRPC's own server, to ours, and to peers that are neither.
#include "common/litegrpc/call.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <optional>

#include "common/os/unique_fd.h"
#include "common/os/unix_address.h"
#include "tests/unit/common/litegrpc/running.h"
#include "tests/unit/common/litegrpc/witness.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::litegrpc;
using namespace sluice::litegrpc::test;
using sluice::test::TempDir;

namespace {

constexpr Duration kLong = std::chrono::seconds(60);

// Runs a loop in this thread until the call is done.
Result<std::string> call(const std::string& socket, const std::string& method,
                         const std::string& body, Duration deadline = kLong) {
  const auto loop = *os::EventLoop::create();
  std::vector<Result<std::string>> results;
  bool started = false;
  const auto call = Call::start(*loop, socket, method, body, deadline, [&](auto result) {
    CHECK(started);
    results.push_back(std::move(result));
    loop->stop();
  });
  started = true;
  loop->run();
  REQUIRE(results.size() == 1);
  return std::move(results[0]);
}

os::UniqueFd listen_raw(const std::string& path, int backlog = 5) {
  const auto address = *os::unix_address(path);
  os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(fd.get(), backlog) == 0);
  return fd;
}

WitnessServer::Answer echo(const std::string& method, const std::string& body) {
  return {grpc::Status::OK, method + ":" + body, false};
}

}  // namespace

TEST_CASE("a call to gRPC's server brings its answer, of any size that is allowed") {
  const TempDir dir;
  WitnessServer server(dir / "s", echo);
  REQUIRE(server.running());
  CHECK(*call(dir / "s", "/a.B/C", "hello") == "/a.B/C:hello");
  CHECK(*call(dir / "s", "/a.B/C", "") == "/a.B/C:");
  std::string large(std::size_t{6} << 20U, 'l');
  for (std::size_t i = 0; i < large.size(); i += 991) large[i] = static_cast<char>(i >> 2U);
  const auto answer = call(dir / "s", "/a.B/C", large);
  REQUIRE(answer);
  CHECK((*answer == "/a.B/C:" + large));
}

TEST_CASE("an answer without bytes is an answer") {
  const TempDir dir;
  WitnessServer server(dir / "s", [](const auto&, const auto&) { return WitnessServer::Answer{}; });
  const auto answer = call(dir / "s", "/a.B/C", "x");
  REQUIRE(answer);
  CHECK(answer->empty());
}

TEST_CASE("an answer over the limit is refused") {
  const TempDir dir;
  WitnessServer server(dir / "s", [](const auto&, const auto&) {
    return WitnessServer::Answer{grpc::Status::OK, std::string(kMaxAnswerBytes + 1, 'x'), false};
  });
  const auto answer = call(dir / "s", "/a.B/C", "x");
  REQUIRE(!answer);
  CHECK(answer.error().code == Code::kInvalid);
  CHECK(answer.error().message == "the answer has 16777217 bytes; allowed are 16777216");
}

TEST_CASE("a status becomes the code it stands for, with its message and number") {
  using grpc::StatusCode;
  const std::pair<StatusCode, Code> pairs[] = {
      {StatusCode::CANCELLED, Code::kUnavailable},
      {StatusCode::UNKNOWN, Code::kInternal},
      {StatusCode::INVALID_ARGUMENT, Code::kInvalid},
      {StatusCode::DEADLINE_EXCEEDED, Code::kTimeout},
      {StatusCode::NOT_FOUND, Code::kNotFound},
      {StatusCode::ALREADY_EXISTS, Code::kExists},
      {StatusCode::PERMISSION_DENIED, Code::kPermission},
      {StatusCode::RESOURCE_EXHAUSTED, Code::kExhausted},
      {StatusCode::FAILED_PRECONDITION, Code::kPrecondition},
      {StatusCode::ABORTED, Code::kPrecondition},
      {StatusCode::OUT_OF_RANGE, Code::kInvalid},
      {StatusCode::UNIMPLEMENTED, Code::kUnsupported},
      {StatusCode::INTERNAL, Code::kInternal},
      {StatusCode::UNAVAILABLE, Code::kUnavailable},
      {StatusCode::DATA_LOSS, Code::kInternal},
      {StatusCode::UNAUTHENTICATED, Code::kPermission},
  };
  const TempDir dir;
  grpc::Status status;
  WitnessServer server(dir / "s", [&](const auto&, const auto&) {
    return WitnessServer::Answer{status, "", false};
  });
  for (const auto& [number, code] : pairs) {
    status = grpc::Status(number, "100% “nein”\nund 网卡");
    const auto answer = call(dir / "s", "/a.B/C", "x");
    REQUIRE(!answer);
    CHECK(answer.error().code == code);
    CHECK(answer.error().native == static_cast<int>(number));
    CHECK(answer.error().domain == Domain::kProtocol);
    CHECK(answer.error().message == status.error_message());
    CHECK(answer.error().to_string().find("/a.B/C on " + (dir / "s")) != std::string::npos);
  }
}

TEST_CASE("a server of ours and a call of ours understand each other") {
  const TempDir dir;
  Methods methods;
  methods.unary["/a.B/C"] = [](std::string_view request, const Reply& reply) {
    if (request.empty()) return reply(fail(Code::kPrecondition, "vf 3 is busy"));
    reply("<" + std::string(request) + ">");
  };
  RunningServer server(dir / "s", std::move(methods));
  CHECK(*call(dir / "s", "/a.B/C", "x") == "<x>");
  const std::string most(kMaxMessageBytes, 'm');
  CHECK((*call(dir / "s", "/a.B/C", most) == "<" + most + ">"));
  CHECK(call(dir / "s", "/a.B/C", most + "m").error().code == Code::kExhausted);
  CHECK(call(dir / "s", "/a.B/C", "").error().code == Code::kPrecondition);
  CHECK(call(dir / "s", "/a.B/C", "").error().message == "vf 3 is busy");
  CHECK(call(dir / "s", "/a.B/D", "x").error().code == Code::kUnsupported);
}

TEST_CASE("nobody there is kUnavailable: no file, no listener, a file that is none") {
  const TempDir dir;
  CHECK(call(dir / "none", "/a.B/C", "x").error().code == Code::kUnavailable);
  CHECK(call(dir / "no" + std::string("/folder"), "/a.B/C", "x").error().code ==
        Code::kUnavailable);
  { const auto gone = listen_raw(dir / "dead"); }
  const auto dead = call(dir / "dead", "/a.B/C", "x");
  CHECK(dead.error().code == Code::kUnavailable);
  CHECK(dead.error().retry == Retry::kLater);
  dir.file("file", "x");
  CHECK(call(dir / "file", "/a.B/C", "x").error().code == Code::kUnavailable);
}

TEST_CASE("a path that is no socket's is refused in words") {
  const auto result = call("/" + std::string(107, 'p'), "/a.B/C", "x");
  REQUIRE(!result);
  CHECK(result.error().code == Code::kInvalid);
  CHECK(result.error().message.find("has 108 bytes; allowed are 1 to 107") != std::string::npos);
}

TEST_CASE("a server that accepts nothing, or says nothing, costs the deadline and no more") {
  const TempDir dir;
  const auto listener = listen_raw(dir / "s");
  const auto result = call(dir / "s", "/a.B/C", "x", std::chrono::milliseconds(30));
  REQUIRE(!result);
  CHECK(result.error().code == Code::kTimeout);
  CHECK(result.error().retry == Retry::kLater);

  WitnessServer hanging(dir / "h", [](const auto&, const auto&) {
    return WitnessServer::Answer{grpc::Status::OK, "", true};
  });
  const auto hung = call(dir / "h", "/a.B/C", "x", std::chrono::milliseconds(30));
  CHECK(hung.error().code == Code::kTimeout);
}

TEST_CASE("a full listener queue is waited for") {
  const TempDir dir;
  auto listener = listen_raw(dir / "s", 0);
  const auto address = *os::unix_address(dir / "s");
  std::vector<os::UniqueFd> crowd;
  while (true) {
    os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      REQUIRE(errno == EAGAIN);
      break;
    }
    crowd.push_back(std::move(fd));
  }
  CHECK(call(dir / "s", "/a.B/C", "x", std::chrono::milliseconds(50)).error().code ==
        Code::kTimeout);
  std::thread later([&] {
    for (std::size_t i = 0; i <= crowd.size(); ++i) {
      const os::UniqueFd accepted(::accept(listener.get(), nullptr, nullptr));
    }
  });
  // Whoever gets through finds a connection that is closed.
  CHECK(call(dir / "s", "/a.B/C", "x").error().code == Code::kUnavailable);
  later.join();
}

TEST_CASE("a peer that speaks something else, or hangs up, is kUnavailable at once") {
  const TempDir dir;
  const auto listener = listen_raw(dir / "s");
  const std::string speeches[] = {
      "",
      "HTTP/1.1 400 Bad Request\r\n\r\n",
      std::string(100, '\0'),
      std::string(100000, '\xff'),
      // An empty SETTINGS, then a DATA frame on a stream that nobody opened.
      std::string("\0\0\0\4\0\0\0\0\0", 9) + std::string("\0\0\1\0\0\0\0\0\2x", 10),
      // An empty SETTINGS, then GOAWAY.
      std::string("\0\0\0\4\0\0\0\0\0", 9) + std::string("\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\0", 17),
  };
  for (const auto& speech : speeches) {
    std::thread peer([&] {
      const os::UniqueFd fd(::accept(listener.get(), nullptr, nullptr));
      char byte = 0;
      (void)::recv(fd.get(), &byte, 1, 0);
      (void)::send(fd.get(), speech.data(), speech.size(), MSG_NOSIGNAL);
      ::shutdown(fd.get(), SHUT_WR);
      // Until the caller hangs up.
      char rest[4096];
      while (::recv(fd.get(), rest, sizeof rest, 0) > 0) {
      }
    });
    const auto result = call(dir / "s", "/a.B/C", "x");
    peer.join();
    REQUIRE(!result);
    CHECK(result.error().code == Code::kUnavailable);
    CHECK(result.error().message.size() < 400);
  }
}

TEST_CASE("a server that stops in the middle of a call: the call ends too") {
  const TempDir dir;
  std::vector<Reply> kept;
  Methods methods;
  methods.unary["/a.B/C"] = [&](std::string_view, Reply reply) {
    kept.push_back(std::move(reply));
  };
  RunningServer server(dir / "s", std::move(methods));
  const auto loop = *os::EventLoop::create();
  std::optional<Result<std::string>> result;
  const auto call = Call::start(*loop, dir / "s", "/a.B/C", "x", kLong, [&](auto answer) {
    result = std::move(answer);
    loop->stop();
  });
  std::thread stopper([&] {
    for (bool there = false; !there;) server.run([&] { there = !kept.empty(); });
    server.stop();
  });
  loop->run();
  stopper.join();
  REQUIRE(result);
  CHECK(result->error().code == Code::kUnavailable);
  CHECK(result->error().message == "the server is going down");
}
