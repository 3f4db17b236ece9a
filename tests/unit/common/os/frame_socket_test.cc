// SPDX-License-Identifier: Apache-2.0
#include "common/os/frame_socket.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "common/os/unique_fd.h"
#include "common/os/unix_address.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::os;

namespace {

constexpr Duration kPatience = std::chrono::seconds(30);

// A server on a loop of its own thread.
class Running {
 public:
  Running(const std::string& path, FrameServer::Handler handler, FrameLimits limits = {})
      : loop_(*EventLoop::create()) {
    auto server = FrameServer::listen(*loop_, path, std::move(handler), 0600, limits);
    REQUIRE(server);
    server_ = std::move(*server);
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~Running() {
    loop_->post([this] {
      server_.reset();
      loop_->stop();
    });
    thread_.join();
  }
  EventLoop& loop() { return *loop_; }

 private:
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<FrameServer> server_;
  std::thread thread_;
};

void echo(std::string request, FrameServer::Reply reply) { reply("<" + request + ">"); }

UniqueFd connect_raw(const std::string& path) {
  const auto address = *unix_address(path);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

void send_raw(const UniqueFd& fd, std::string_view bytes) {
  REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(bytes.size()));
}

// All until the peer closes (or nothing comes any more, which fails the test).
std::string receive_until_closed(const UniqueFd& fd) {
  std::string all;
  while (true) {
    pollfd entry{fd.get(), POLLIN, 0};
    REQUIRE(::poll(&entry, 1, 30000) == 1);
    char chunk[4096];
    const auto got = ::recv(fd.get(), chunk, sizeof chunk, 0);
    if (got <= 0) return all;
    all.append(chunk, static_cast<std::size_t>(got));
  }
}

std::string receive_exactly(const UniqueFd& fd, std::size_t size) {
  std::string all(size, '\0');
  REQUIRE(::recv(fd.get(), all.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
  return all;
}

using namespace std::string_view_literals;

}  // namespace

TEST_CASE("A call gets its answer") {
  const test::TempDir dir;
  const Running server(dir / "s", echo);
  CHECK(*frame_call(dir / "s", "hello", kPatience) == "<hello>");
  CHECK(*frame_call(dir / "s", "", kPatience) == "<>");
  struct stat info {};
  REQUIRE(::stat((dir / "s").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600U);
}

TEST_CASE(
    "The largest request and a large answer pass, one byte more is refused before it is sent") {
  const test::TempDir dir;
  const Running server(dir / "s", [](std::string request, FrameServer::Reply reply) {
    reply(std::string(8 * request.size(), request.back()));
  });
  const auto answer = frame_call(dir / "s", std::string(kMaxRequestBytes, 'y'), kPatience);
  REQUIRE(answer);
  CHECK(answer->size() == 8 * kMaxRequestBytes);
  CHECK(answer->back() == 'y');
  const auto refused = frame_call(dir / "s", std::string(kMaxRequestBytes + 1, 'y'), kPatience);
  CHECK(refused.error().code == Code::kInvalid);
}

TEST_CASE("Many clients at once each get their own answer") {
  const test::TempDir dir;
  const Running server(dir / "s", echo);
  std::atomic<int> right{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&, i] {
      for (int n = 0; n < 20; ++n) {
        const std::string text = std::to_string(i) + ":" + std::to_string(n);
        const auto answer = frame_call(dir / "s", text, kPatience);
        if (answer && *answer == "<" + text + ">") ++right;
      }
    });
  }
  for (auto& client : clients) client.join();
  CHECK(right == 16 * 20);
}

TEST_CASE("A connection carries several requests in turn, also when they come in one piece") {
  const test::TempDir dir;
  const Running server(dir / "s", echo);
  const auto fd = connect_raw(dir / "s");
  send_raw(fd, "\0\0\0\1a\0\0\0\0\0\0\0\2bc"sv);
  CHECK(receive_exactly(fd, 7 + 6 + 8) == "\0\0\0\3<a>\0\0\0\2<>\0\0\0\4<bc>"sv);
}

TEST_CASE("An answer may come later, and only the first one counts") {
  const test::TempDir dir;
  FrameServer::Reply kept;
  EventLoop* loop = nullptr;
  Running server(dir / "s", [&](std::string request, FrameServer::Reply reply) {
    loop->after(std::chrono::milliseconds(1), [request, reply] {
      reply("late " + request);
      reply("again");
    });
  });
  loop = &server.loop();
  const auto fd = connect_raw(dir / "s");
  send_raw(fd, "\0\0\0\1a"sv);
  CHECK(receive_exactly(fd, 10) == "\0\0\0\6late a"sv);
  send_raw(fd, "\0\0\0\1b"sv);
  CHECK(receive_exactly(fd, 10) == "\0\0\0\6late b"sv);
}

TEST_CASE("A reply whose connection or server is gone goes nowhere") {
  const test::TempDir dir;
  FrameServer::Reply kept;
  {
    std::atomic<bool> asked{false};
    const Running server(dir / "s", [&](std::string, FrameServer::Reply reply) {
      kept = std::move(reply);
      asked = true;
    });
    CHECK(frame_call(dir / "s", "x", std::chrono::milliseconds(200)).error().code ==
          Code::kTimeout);
    CHECK(asked);
  }
  kept("to nobody");
}

TEST_CASE("An oversized length is cut off") {
  const test::TempDir dir;
  const Running server(dir / "s", echo);
  for (const auto header : {"\x00\x10\x00\x01"sv, "\xff\xff\xff\xff"sv}) {
    const auto fd = connect_raw(dir / "s");
    send_raw(fd, header);
    CHECK(receive_until_closed(fd).empty());
  }
  CHECK(frame_call(dir / "s", "still there", kPatience));
}

TEST_CASE("A peer that stalls is cut off, whatever it has sent") {
  const test::TempDir dir;
  const Running server(dir / "s", echo, FrameLimits{std::chrono::milliseconds(50), 64});
  for (const auto bytes : {""sv, "\0\0"sv, "\0\0\0\5abc"sv}) {
    const auto fd = connect_raw(dir / "s");
    if (!bytes.empty()) send_raw(fd, bytes);
    CHECK(receive_until_closed(fd).empty());
  }
}

TEST_CASE("A peer that does not take its answer is cut off") {
  const test::TempDir dir;
  const Running server(
      dir / "s",
      [](std::string, FrameServer::Reply reply) { reply(std::string(std::size_t{8} << 20U, 'x')); },
      FrameLimits{std::chrono::milliseconds(50), 64});
  const auto fd = connect_raw(dir / "s");
  send_raw(fd, "\0\0\0\1a"sv);
  // Without reading: until the server has hung up.
  pollfd entry{fd.get(), POLLRDHUP, 0};
  REQUIRE(::poll(&entry, 1, 30000) == 1);
  CHECK(receive_until_closed(fd).size() < std::size_t{8} << 20U);
}

TEST_CASE("The connection beyond the limit is refused, and a place that gets free is used") {
  const test::TempDir dir;
  const Running server(dir / "s", echo, FrameLimits{std::chrono::seconds(60), 2});
  auto one = connect_raw(dir / "s");
  const auto two = connect_raw(dir / "s");
  send_raw(one, "\0\0\0\1a"sv);
  send_raw(two, "\0\0\0\1a"sv);
  receive_exactly(one, 7);
  receive_exactly(two, 7);
  CHECK(receive_until_closed(connect_raw(dir / "s")).empty());
  one.reset();
  // The server learns of it when it learns of it.
  Result<std::string> answer = fail(Code::kInternal, "not asked");
  for (int i = 0; i < 1000 && !answer; ++i) answer = frame_call(dir / "s", "b", kPatience);
  CHECK(answer);
}

TEST_CASE("A live server's path is taken, a dead one's is used again") {
  const test::TempDir dir;
  const auto loop = *EventLoop::create();
  {
    const auto one = FrameServer::listen(*loop, dir / "s", echo);
    REQUIRE(one);
    const auto two = FrameServer::listen(*loop, dir / "s", echo);
    REQUIRE_FALSE(two);
    CHECK(two.error().code == Code::kExists);
    CHECK(std::filesystem::exists(dir / "s"));
  }
  CHECK_FALSE(std::filesystem::exists(dir / "s"));
  {  // dies without cleaning up
    const auto address = *unix_address(dir / "s");
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  CHECK(FrameServer::listen(*loop, dir / "s", echo));
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("A server that goes leaves its successor's socket alone") {
  const test::TempDir dir;
  const auto loop = *EventLoop::create();
  auto first = FrameServer::listen(*loop, dir / "s", echo);
  REQUIRE(first);
  REQUIRE(::rename((dir / "s").c_str(), (dir / "old").c_str()) == 0);
  const auto second = FrameServer::listen(*loop, dir / "s", echo);
  REQUIRE(second);
  first->reset();
  CHECK(std::filesystem::exists(dir / "s"));
}

TEST_CASE("A file that is no socket is never removed") {
  const test::TempDir dir;
  dir.file("s", "precious");
  const auto loop = *EventLoop::create();
  CHECK(FrameServer::listen(*loop, dir / "s", echo).error().code == Code::kExists);
  CHECK(std::filesystem::file_size(dir / "s") == 8);
}

TEST_CASE("A path that is too long is named in the error") {
  const test::TempDir dir;
  const std::string path = dir / std::string(120, 'x');
  const auto loop = *EventLoop::create();
  CHECK(FrameServer::listen(*loop, path, echo).error().code != Code::kInternal);
  const auto call = frame_call(path, "", kPatience);
  REQUIRE_FALSE(call);
  CHECK(call.error().message.find("allowed are 1 to 107") != std::string::npos);
}

TEST_CASE("Nobody there is unavailable, not a hang") {
  const test::TempDir dir;
  const auto missing = frame_call(dir / "s", "x", kPatience);
  CHECK(missing.error().code == Code::kUnavailable);
  CHECK(missing.error().retry == Retry::kLater);
}

TEST_CASE("A client does not believe a server's length") {
  const test::TempDir dir;
  const auto address = *unix_address(dir / "s");
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.get(), 8) == 0);
  const auto answer_with = [&](std::string_view bytes) {
    std::thread server([&] {
      const UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      receive_exactly(fd, 5);
      send_raw(fd, bytes);
    });
    auto result = frame_call(dir / "s", "x", kPatience);
    server.join();
    return result;
  };
  CHECK(answer_with("\xff\xff\xff\xff").error().code == Code::kInvalid);
  CHECK(answer_with("\0\0\0\5abc"sv).error().code == Code::kUnavailable);
  CHECK(answer_with("\0\0\0"sv).error().code == Code::kUnavailable);
  CHECK(*answer_with("\0\0\0\3abc"sv) == "abc");
}
