// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/metrics/http.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

#include "common/os/unique_fd.h"

namespace sluice::metrics {
namespace {

constexpr Duration kNever = std::chrono::hours(1);
const std::string kRequest = "GET /metrics HTTP/1.1\r\n\r\n";

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  }
  void send(const std::string& text) {
    REQUIRE(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
  }
  void send_no_more() { REQUIRE(::shutdown(fd_.get(), SHUT_WR) == 0); }
  // All until the other side closes; 30 s without that is a failure.
  std::string receive() {
    std::string out;
    char buffer[65536];
    while (true) {
      pollfd entry{fd_.get(), POLLIN, 0};
      REQUIRE(::poll(&entry, 1, 30000) == 1);
      const auto got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return out;
      out.append(buffer, static_cast<std::size_t>(got));
    }
  }

 private:
  os::UniqueFd fd_;
};

HttpContent content(std::size_t size = 4) {
  return {[size] { return std::string(size, 'm'); }, [] { return std::string(); },
          [] { return std::string("starting"); }};
}

std::unique_ptr<HttpServer> serve(HttpContent what, Duration deadline = kNever) {
  auto server = HttpServer::start("127.0.0.1:0", std::move(what), Logger(), deadline);
  REQUIRE(server);
  return std::move(*server);
}

std::string body_of(const std::string& answer) {
  const auto end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "no answer" : answer.substr(end + 4);
}

std::string get(const HttpServer& server, const std::string& path) {
  Client client(server.port());
  client.send("GET " + path + " HTTP/1.1\r\n\r\n");
  return client.receive();
}

TEST_CASE("Requests one after the other, and one that comes byte by byte") {
  const auto server = serve(content());
  CHECK(body_of(get(*server, "/metrics")) == "mmmm");
  CHECK(body_of(get(*server, "/healthz")) == "ok\n");
  CHECK(get(*server, "/readyz").substr(0, 12) == "HTTP/1.1 503");
  Client client(server->port());
  for (const char byte : kRequest) client.send(std::string(1, byte));
  CHECK(body_of(client.receive()) == "mmmm");
}

TEST_CASE("An answer that is larger than all buffers, also to one that has ended its side") {
  constexpr std::size_t kLarge = 20U << 20U;
  const auto server = serve(content(kLarge));
  CHECK(body_of(get(*server, "/metrics")).size() == kLarge);
  Client client(server->port());
  client.send(kRequest);
  client.send_no_more();
  CHECK(body_of(client.receive()).size() == kLarge);
}

TEST_CASE("Too large a request is answered, its rest read away") {
  const auto server = serve(content());
  Client client(server->port());
  client.send(std::string(10 * kMaxRequest, 'a'));
  CHECK(client.receive().substr(0, 12) == "HTTP/1.1 431");
}

TEST_CASE("Who says nothing, and who goes away in the middle, is in nobody's way") {
  const auto server = serve(content());
  std::vector<std::unique_ptr<Client>> silent;
  for (std::size_t n = 0; n + 1 < kMaxConnections; ++n) {
    silent.push_back(std::make_unique<Client>(server->port()));
  }
  for (int n = 0; n < 3; ++n) {
    Client leaver(server->port());
    leaver.send("GET /met");
    leaver.send_no_more();
    CHECK(leaver.receive() == "");
  }
  CHECK(body_of(get(*server, "/metrics")) == "mmmm");
}

TEST_CASE("One connection too many is closed at once, the others stay") {
  const auto server = serve(content());
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t n = 0; n < kMaxConnections; ++n) {
    clients.push_back(std::make_unique<Client>(server->port()));
  }
  Client late(server->port());
  CHECK(late.receive() == "");
  for (auto& client : clients) {
    client->send(kRequest);
    CHECK(body_of(client->receive()) == "mmmm");
  }
}

TEST_CASE("A connection ends at its deadline, however busy it looks") {
  const auto server = serve(content(), std::chrono::milliseconds(50));
  Client silent(server->port());
  CHECK(silent.receive() == "");
  Client half(server->port());
  half.send("GET /metrics HTTP/1.1\r\nA: b\r\n");
  CHECK(half.receive() == "");
}

TEST_CASE("Content comes from the server's thread while it runs, and not after") {
  std::atomic<int> asked = 0;
  auto counted = content();
  counted.metrics = [&asked] { return std::to_string(++asked); };
  auto server = serve(counted);
  CHECK(body_of(get(*server, "/metrics")) == "1");
  CHECK(body_of(get(*server, "/metrics")) == "2");
  Client waiting(server->port());
  server.reset();
  CHECK(waiting.receive() == "");
  CHECK(asked == 2);
}

TEST_CASE("Addresses") {
  const auto refused = [](const std::string& listen) {
    const auto server = HttpServer::start(listen, content(), Logger());
    return server ? std::string() : std::string(to_string(server.error().code));
  };
  for (const std::string listen :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "::1:80", "[::1:80",
        "[]:80", "localhost:0", "1.2.3.4.5:0", ":-1", ":1 "}) {
    CAPTURE(listen);
    CHECK(refused(listen) == "invalid");
  }
  const auto any = HttpServer::start(":0", content(), Logger());
  REQUIRE(any);
  CHECK(body_of(get(**any, "/metrics")) == "mmmm");
  CHECK(refused("127.0.0.1:" + std::to_string((*any)->port())) == "exists");
}

}  // namespace
}  // namespace sluice::metrics
