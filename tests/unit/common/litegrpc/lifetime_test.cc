// SPDX-License-Identifier: Apache-2.0
// Who may be destroyed when, and what becomes of the socket's file. One thread, one loop.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "common/litegrpc/call.h"
#include "common/litegrpc/server.h"
#include "common/os/unique_fd.h"
#include "common/os/unix_address.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::litegrpc;
using sluice::test::TempDir;

namespace {

constexpr Duration kLong = std::chrono::seconds(60);
constexpr const char* kSay = "/test.Echo/Say";

struct Bench {
  TempDir dir;
  std::unique_ptr<os::EventLoop> loop = *os::EventLoop::create();
  std::unique_ptr<Server> server;
  std::vector<Result<std::string>> answers;

  void listen(Methods methods) {
    auto made = Server::listen(*loop, dir / "s", std::move(methods), Logger());
    REQUIRE(made);
    server = std::move(*made);
  }
  std::unique_ptr<Call> call(const std::string& body) {
    return Call::start(*loop, dir / "s", kSay, body, kLong, [this](auto answer) {
      answers.push_back(std::move(answer));
      loop->stop();
    });
  }
};

Methods unary(UnaryMethod method) {
  Methods methods;
  methods.unary[kSay] = std::move(method);
  return methods;
}

Methods streaming(StreamMethod method) {
  Methods methods;
  methods.streaming[kSay] = std::move(method);
  return methods;
}

}  // namespace

TEST_CASE("a method may destroy the server, before and after it answers") {
  for (const bool answers_first : {true, false}) {
    Bench bench;
    bool still_mine = false;
    std::string copy = "a capture that must outlive the server";
    bench.listen(unary([&, copy](std::string_view request, const Reply& reply) {
      if (answers_first) reply("done");
      bench.server.reset();
      if (!answers_first) reply("done");
      still_mine = copy.starts_with("a capture") && request == "x";
    }));
    const auto call = bench.call("x");
    bench.loop->run();
    CHECK(still_mine);
    REQUIRE(bench.answers.size() == 1);
    if (answers_first) {
      CHECK(*bench.answers[0] == "done");
    } else {
      CHECK(bench.answers[0].error().code == Code::kUnavailable);
    }
  }
}

TEST_CASE("a streaming method, and a stream's owner, may destroy the server") {
  Bench bench;
  int closed = 0;
  std::shared_ptr<ServerStream> kept;
  bench.listen(streaming([&](std::string_view, std::shared_ptr<ServerStream> stream) {
    kept = stream;
    stream->on_closed([&] {
      ++closed;
      bench.server.reset();
    });
    CHECK(stream->send("one"));
    if (closed == 0) bench.server.reset();
    CHECK(!stream->send("two"));
  }));
  const auto call = bench.call("x");
  bench.loop->run();
  CHECK(closed == 1);
  CHECK(!kept->open());
  kept->finish({});
  kept.reset();
  CHECK(bench.answers[0].error().code == Code::kUnavailable);
}

TEST_CASE("a stream's owner may destroy the server when its client goes") {
  Bench bench;
  int closed = 0;
  std::unique_ptr<Call> call;
  bench.listen(streaming([&](std::string_view, const std::shared_ptr<ServerStream>& stream) {
    stream->on_closed([&] {
      ++closed;
      bench.server.reset();
      bench.loop->stop();
    });
    bench.loop->post([&] { call.reset(); });
  }));
  call = bench.call("x");
  bench.loop->run();
  CHECK(closed == 1);
  CHECK(bench.answers.empty());  // a call that is destroyed says nothing
}

TEST_CASE("replies and streams may outlive the server and its loop") {
  Reply reply;
  std::shared_ptr<ServerStream> stream;
  {
    Bench bench;
    Methods methods = unary([&](std::string_view, Reply mine) {
      reply = std::move(mine);
      bench.loop->stop();
    });
    methods.streaming["/test.Echo/Watch"] = [&](std::string_view,
                                                std::shared_ptr<ServerStream> mine) {
      stream = std::move(mine);
      bench.loop->stop();
    };
    bench.listen(std::move(methods));
    const auto call = bench.call("x");
    bench.loop->run();
    const auto watch =
        Call::start(*bench.loop, bench.dir / "s", "/test.Echo/Watch", "x", kLong, [](auto) {});
    bench.loop->run();
  }
  REQUIRE(reply);
  REQUIRE(stream);
  reply("nobody is there");
  CHECK(!stream->open());
  CHECK(!stream->send("nobody is there"));
  stream->on_closed([] { CHECK(false); });
  stream->finish({});
}

TEST_CASE("a call's owner may destroy it from within done") {
  Bench bench;
  bench.listen(unary([](std::string_view, const Reply& reply) { reply("x"); }));
  std::unique_ptr<Call> call;
  bool told = false;
  call = Call::start(*bench.loop, bench.dir / "s", kSay, "x", kLong, [&](auto answer) {
    call.reset();
    told = answer.has_value();
    bench.loop->stop();
  });
  bench.loop->run();
  CHECK(told);
}

TEST_CASE("a call that failed at once still waits for the loop, and may be destroyed before") {
  const TempDir dir;
  const auto loop = *os::EventLoop::create();
  int told = 0;
  {
    const auto call = Call::start(*loop, dir / "none", kSay, "x", kLong, [&](auto) { ++told; });
  }
  const auto other = Call::start(*loop, dir / "none", kSay, "x", kLong, [&](auto) {
    ++told;
    loop->stop();
  });
  CHECK(told == 0);
  loop->run();
  CHECK(told == 1);
}

TEST_CASE("the socket's file: its mode, its state, its removal") {
  Bench bench;
  const std::string path = bench.dir / "s";
  const mode_t before = ::umask(077);
  auto made = Server::listen(*bench.loop, path, {}, Logger(), 0666);
  ::umask(before);
  REQUIRE(made);
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0666U);
  CHECK((*made)->socket_state() == Server::SocketState::kOurs);
  CHECK(std::distance(std::filesystem::directory_iterator(bench.dir.path()), {}) == 1);

  std::filesystem::rename(path, bench.dir / "elsewhere");
  CHECK((*made)->socket_state() == Server::SocketState::kMissing);
  bench.dir.file("s", "another's");
  CHECK((*made)->socket_state() == Server::SocketState::kReplaced);
  made->reset();
  CHECK(std::filesystem::exists(path));  // it is not ours

  std::filesystem::remove(path);
  bench.listen({});
  bench.server.reset();
  CHECK(!std::filesystem::exists(path));
}

TEST_CASE("a dead server's file is replaced, a live one's and a stranger's are not") {
  Bench bench;
  {
    const auto address = *os::unix_address(bench.dir / "s");
    const os::UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  bench.listen({});
  const auto second = Server::listen(*bench.loop, bench.dir / "s", {}, Logger());
  REQUIRE(!second);
  CHECK(second.error().code == Code::kExists);
  CHECK(bench.server->socket_state() == Server::SocketState::kOurs);

  bench.dir.file("file", "not a socket");
  const auto file = Server::listen(*bench.loop, bench.dir / "file", {}, Logger());
  CHECK(file.error().code == Code::kExists);
  CHECK(std::filesystem::exists(bench.dir / "file"));
}

TEST_CASE(
    "a replaced file: the old server goes on for its connections, the new one gets the rest") {
  Bench bench;
  bench.listen(unary([](std::string_view, const Reply& reply) { reply("old"); }));
  ::unlink((bench.dir / "s").c_str());
  auto old = std::move(bench.server);
  CHECK(old->socket_state() == Server::SocketState::kMissing);
  bench.listen(unary([](std::string_view, const Reply& reply) { reply("new"); }));
  CHECK(old->socket_state() == Server::SocketState::kReplaced);
  old.reset();
  CHECK(bench.server->socket_state() == Server::SocketState::kOurs);
  const auto call = bench.call("x");
  bench.loop->run();
  CHECK(*bench.answers[0] == "new");
}

TEST_CASE("paths that can't be are refused in words") {
  const auto loop = *os::EventLoop::create();
  const auto long_path = Server::listen(*loop, "/" + std::string(107, 'p'), {}, Logger());
  REQUIRE(!long_path);
  CHECK(long_path.error().code == Code::kInvalid);
  CHECK(long_path.error().message.find("has 108 bytes; allowed are 1 to 107") != std::string::npos);
  CHECK(!Server::listen(*loop, "", {}, Logger()));
  CHECK(!Server::listen(*loop, "/nowhere/at/all/s", {}, Logger()));
}
