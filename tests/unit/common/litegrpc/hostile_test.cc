// SPDX-License-Identifier: Apache-2.0
// Clients of the server that keep to nothing.
#include <doctest/doctest.h>

#include <semaphore>

#include "common/litegrpc/server.h"
#include "tests/unit/common/litegrpc/raw_peer.h"
#include "tests/unit/common/litegrpc/running.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::litegrpc;
using namespace sluice::litegrpc::test;
using sluice::test::TempDir;

namespace {

constexpr const char* kSay = "/test.Echo/Say";
constexpr const char* kSize = "/test.Echo/Size";
constexpr const char* kWatch = "/test.Echo/Watch";

struct Setup {
  explicit Setup(ServerLimits limits = {}) : server(dir / "s", methods(), limits) {}
  ~Setup() {
    server.run([this] { streams.clear(); });
  }

  Methods methods() {
    Methods all;
    all.unary[kSay] = [](std::string_view request, const Reply& reply) {
      reply("<" + std::string(request) + ">");
    };
    all.unary[kSize] = [](std::string_view request, const Reply& reply) {
      reply(std::to_string(request.size()));
    };
    all.streaming[kWatch] = [this](std::string_view, std::shared_ptr<ServerStream> stream) {
      stream->on_closed([this] { closed.release(); });
      streams.push_back(std::move(stream));
      opened.release();
    };
    return all;
  }
  // Whatever a peer did: others are served.
  bool serves() {
    RawPeer other(dir / "s");
    other.send(request(1, kSay, "x"));
    return other.answer(1).body == message("<x>") && other.status(1) == "0";
  }

  TempDir dir;
  std::counting_semaphore<> opened{0};
  std::counting_semaphore<> closed{0};
  std::vector<std::shared_ptr<ServerStream>> streams;  // the loop's
  RunningServer server;
};

ServerLimits impatient() {
  ServerLimits limits;
  limits.stall = std::chrono::milliseconds(40);
  return limits;
}

// Longer than impatient(): what shall not happen has had its chance then.
void wait_for_the_impatient() { std::this_thread::sleep_for(std::chrono::milliseconds(150)); }

}  // namespace

TEST_CASE("what isn't HTTP/2 is hung up on") {
  Setup setup;
  const std::string speeches[] = {
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + std::string(200, 'r'),
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
      std::string(4096, '\0'),
      std::string(kPreface.substr(0, 20)) + "....................",
      std::string(kPreface) + request(1, kSay, "no SETTINGS first"),
      std::string(kPreface) + std::string(1000, '\xff'),
  };
  for (const auto& speech : speeches) {
    RawPeer peer(setup.dir / "s", false);
    peer.send(speech);
    CHECK(peer.hung_up());
  }
  CHECK(setup.serves());
}

TEST_CASE("a peer that is silent, or stops within its first request, is cut off") {
  Setup setup(impatient());
  const std::string greeting = std::string(kPreface) + frame(NGHTTP2_SETTINGS, 0, 0, "");
  const std::string beginnings[] = {
      "",
      std::string(kPreface.substr(0, 10)),
      std::string(kPreface),
      greeting,
      greeting + headers(1, kSay),
      greeting + headers(1, kSay) + data(1, message("whole, but no end"), 0),
      greeting + headers(1, kSay).substr(0, 20),
      greeting + headers(1, kSay, 0),  // CONTINUATION never comes
  };
  for (const auto& beginning : beginnings) {
    RawPeer peer(setup.dir / "s", false);
    peer.send(beginning);
    CHECK(peer.hung_up());
  }
  // And within a later one.
  RawPeer later(setup.dir / "s");
  later.send(request(1, kSay, "x"));
  CHECK(later.status(1) == "0");
  later.send(headers(3, kSay));
  CHECK(later.hung_up());
}

TEST_CASE("a connection that has made its call may be idle, one with a live stream too") {
  Setup setup(impatient());
  RawPeer caller(setup.dir / "s");
  caller.send(request(1, kSay, "x"));
  CHECK(caller.status(1) == "0");
  RawPeer watcher(setup.dir / "s");
  watcher.send(request(1, kWatch, "x"));
  setup.opened.acquire();
  wait_for_the_impatient();
  caller.send(request(3, kSay, "y"));
  CHECK(caller.answer(3).body == message("<y>"));
  setup.server.run([&] {
    CHECK(setup.streams[0]->open());
    setup.streams[0]->finish({});
  });
  CHECK(watcher.status(1) == "0");
}

TEST_CASE("a peer that takes nothing of what waits for it is cut off, PINGs or not") {
  for (const bool pings : {false, true}) {
    Setup setup(impatient());
    RawPeer peer(setup.dir / "s");
    peer.send(request(1, kWatch, "x"));
    setup.opened.acquire();
    // More than the window, which the peer never opens.
    setup.server.run([&] { CHECK(setup.streams[0]->send(std::string(200000, 'w'))); });
    if (pings) {
      while (peer.send(frame(NGHTTP2_PING, 0, 0, "12345678")) && !setup.closed.try_acquire()) {
      }
    } else {
      setup.closed.acquire();
    }
    CHECK(peer.hung_up());
    CHECK(setup.serves());
  }
}

TEST_CASE("requests that are not exactly one plain message") {
  Setup setup;
  RawPeer peer(setup.dir / "s");
  const std::string compressed = '\1' + message("x").substr(1);
  const std::string strange = '\7' + message("x").substr(1);
  const std::string huge = std::string("\0\xff\xff\xff\xff", 5) + "x";
  const std::pair<std::string, std::string> cases[] = {
      {data(1, compressed), "12"},                         // UNIMPLEMENTED
      {data(1, message("a") + message("b")), "12"},        // UNIMPLEMENTED
      {data(1, ""), "12"},                                 // UNIMPLEMENTED
      {data(1, message("cut short").substr(0, 9)), "13"},  // INTERNAL
      {data(1, std::string(2, '\0')), "13"},
      {data(1, strange), "13"},
      {data(1, huge), "8"},     // RESOURCE_EXHAUSTED
      {data(1, huge, 0), "8"},  // while it would send for ever
      {data(1, message("")), "0"},
  };
  for (const auto& [body, status] : cases) {
    RawPeer one(setup.dir / "s");
    one.send(headers(1, kSay) + body);
    CHECK(one.status(1) == status);
    if (status != "0") CHECK(one.answer(1).fields["grpc-message"] != "");
  }
  peer.send(headers(1, kSay, kEndHeaders | kEndStream));
  CHECK(peer.status(1) == "12");
  CHECK(setup.serves());
}

TEST_CASE("a message may come in many frames, padded, and be followed by trailers") {
  Setup setup;
  RawPeer peer(setup.dir / "s");
  std::string bytes = headers(1, kSay);
  for (const char c : message("in single bytes")) bytes += data(1, std::string(1, c), 0);
  peer.send(bytes + data(1, ""));
  CHECK(peer.answer(1).body == message("<in single bytes>"));

  const unsigned padded = 8;
  peer.send(headers(5, kSay) +
            data(5, '\3' + message("p") + std::string(3, '\0'), kEndStream | padded));
  CHECK(peer.answer(5).body == message("<p>"));

  peer.send(headers(7, kSay) + data(7, message("t"), 0) +
            frame(NGHTTP2_HEADERS, kEndHeaders | kEndStream, 7, header_block({{"x-end", "1"}})));
  CHECK(peer.answer(7).body == message("<t>"));

  peer.send(headers(9, kSay) + data(9, '\xc8' + message("p"), kEndStream | padded));
  CHECK(peer.hung_up());  // more padding than frame
  CHECK(peer.saw_goaway());
}

TEST_CASE("what isn't a gRPC call is told so in HTTP") {
  Setup setup;
  const auto status_of = [&](const Fields& fields) {
    RawPeer peer(setup.dir / "s");
    peer.send(frame(NGHTTP2_HEADERS, kEndHeaders | kEndStream, 1, header_block(fields)));
    return peer.answer(1).fields[":status"];
  };
  Fields get = request_fields(kSay);
  get[0].second = "GET";
  CHECK(status_of(get) == "405");
  Fields json = request_fields(kSay);
  json[5].second = "application/json";
  CHECK(status_of(json) == "415");
  CHECK(status_of({{":method", "POST"}}) == "415");
  CHECK(status_of({}) == "405");
}

TEST_CASE("the authority may be a path, as some kubelets have it; a timeout must be one") {
  Setup setup;
  RawPeer peer(setup.dir / "s");
  Fields fields = request_fields(kSay);
  fields[3].second = "/var/lib/kubelet/device-plugins/s.sock";
  peer.send(frame(NGHTTP2_HEADERS, kEndHeaders, 1, header_block(fields)) + data(1, message("x")));
  CHECK(peer.answer(1).body == message("<x>"));
  fields.emplace_back("grpc-timeout", "soon");
  peer.send(frame(NGHTTP2_HEADERS, kEndHeaders, 3, header_block(fields)) + data(3, message("x")));
  CHECK(peer.status(3) == "13");
}

TEST_CASE("headers without end") {
  Setup setup;
  SUBCASE("more than 16 KiB in one block are refused, the connection stays") {
    RawPeer peer(setup.dir / "s");
    Fields fields = request_fields(kSay);
    fields.emplace_back("x-big", std::string(15000, 'b'));
    peer.send(frame(NGHTTP2_HEADERS, 0, 1, header_block(fields)) +
              frame(NGHTTP2_CONTINUATION, kEndHeaders, 1,
                    header_block({{"x-more", std::string(5000, 'm')}})) +
              data(1, message("x")));
    CHECK(peer.status(1) == "8");
    peer.send(request(3, kSay, "x"));
    CHECK(peer.status(3) == "0");
  }
  SUBCASE("a block that expands to megabytes") {
    // One field of 3000 bytes into the table, and then its index, again and again.
    RawPeer peer(setup.dir / "s");
    const std::string value(3000, 'v');
    std::string block = header_block(request_fields(kSay));
    block += '\x40' + header_block({{"x-bomb", value}}).substr(1);
    peer.send(frame(NGHTTP2_HEADERS, kEndHeaders, 1, block + std::string(8000, '\xbe')) +
              data(1, message("x")));
    auto& answer = peer.answer(1);
    CHECK((answer.fields["grpc-status"] == "8" || answer.reset >= 0 || peer.hung_up()));
  }
  SUBCASE("CONTINUATION for ever") {
    RawPeer peer(setup.dir / "s");
    peer.send(headers(1, kSay, 0));
    const std::string more =
        frame(NGHTTP2_CONTINUATION, 0, 1, header_block({{"x", std::string(1000, 'c')}}));
    while (peer.send(more)) {
    }
    CHECK(peer.hung_up());
  }
  CHECK(setup.serves());
}

TEST_CASE("floods end the connection, not the server") {
  Setup setup;
  const std::string settings = frame(NGHTTP2_SETTINGS, 0, 0, "");
  const std::string ping = frame(NGHTTP2_PING, 0, 0, "12345678");
  SUBCASE("SETTINGS that nobody reads the answers of") {
    RawPeer peer(setup.dir / "s");
    while (peer.send(settings)) {
    }
  }
  SUBCASE("PINGs that nobody reads the answers of") {
    RawPeer peer(setup.dir / "s");
    while (peer.send(ping)) {
    }
  }
  SUBCASE("calls that are reset at once") {
    RawPeer peer(setup.dir / "s");
    for (int stream = 1;
         peer.send(headers(stream, kSay) + frame(NGHTTP2_RST_STREAM, 0, stream, big_endian(8, 4)));
         stream += 2) {
    }
    CHECK(peer.hung_up());
  }
  CHECK(setup.serves());
}

TEST_CASE("a reset of one call leaves the others alone") {
  Setup setup;
  RawPeer peer(setup.dir / "s");
  peer.send(headers(1, kSay) + data(1, message("never whole").substr(0, 7), 0) + headers(3, kSay) +
            frame(NGHTTP2_RST_STREAM, 0, 1, big_endian(8, 4)) + data(3, message("x")));
  CHECK(peer.answer(3).body == message("<x>"));
}

TEST_CASE("requests that are not whole share a bound") {
  Setup setup;
  RawPeer peer(setup.dir / "s");
  // Six times all but the last byte of 4 MiB, where four may be held.
  std::string part = message(std::string(kMaxMessageBytes, 'x'));
  part.pop_back();
  const int streams[] = {1, 3, 5, 7, 9, 11};
  for (const int stream : streams) {
    REQUIRE(peer.send(headers(stream, kSize)));
    for (std::size_t at = 0; at < part.size(); at += 16384) {
      REQUIRE(peer.send(data(stream, std::string_view(part).substr(at, 16384), 0)));
      peer.sync();
    }
  }
  for (const int stream : streams) REQUIRE(peer.send(data(stream, "x")));
  int refused = 0;
  int answered = 0;
  for (const int stream : streams) {
    const std::string status = peer.status(stream);
    if (status == "8") ++refused;
    if (status == "0") ++answered;
  }
  CHECK(answered == 4);
  CHECK(refused == 2);
  peer.send(request(13, kSize, "x"));
  CHECK(peer.answer(13).body == message("1"));
  CHECK(setup.serves());
}

TEST_CASE("connections over the limit are refused, and let in when another has gone") {
  ServerLimits limits;
  limits.connections = 2;
  Setup setup(limits);
  RawPeer one(setup.dir / "s");
  one.send(request(1, kSay, "x"));
  CHECK(one.status(1) == "0");
  {
    RawPeer two(setup.dir / "s");
    two.send(request(1, kWatch, "x"));
    setup.opened.acquire();
    RawPeer three(setup.dir / "s");
    CHECK(three.hung_up());
  }
  setup.closed.acquire();
  CHECK(setup.serves());
}
