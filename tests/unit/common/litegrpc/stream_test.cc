// SPDX-License-Identifier: Apache-2.0
// Server-streaming calls, with gRPC's own client at the other end.
#include <doctest/doctest.h>

#include <atomic>
#include <semaphore>

#include "common/litegrpc/server.h"
#include "tests/unit/common/litegrpc/running.h"
#include "tests/unit/common/litegrpc/witness.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::litegrpc;
using namespace sluice::litegrpc::test;
using sluice::test::TempDir;

namespace {

constexpr const char* kWatch = "/test.Watcher/Watch";

// Keeps the streams that were opened. Its fields belong to the loop, but for the semaphores.
struct Watcher {
  std::vector<std::shared_ptr<ServerStream>> streams;
  std::string request;
  std::atomic<int> closed = 0;
  std::atomic<int> drained = 0;
  std::counting_semaphore<> opened_signal{0};
  std::counting_semaphore<> closed_signal{0};
  std::counting_semaphore<> drained_signal{0};

  Methods methods() {
    Methods all;
    all.streaming[kWatch] = [this](std::string_view bytes, std::shared_ptr<ServerStream> stream) {
      request = std::string(bytes);
      stream->on_closed([this] {
        ++closed;
        closed_signal.release();
      });
      stream->on_drained([this] {
        ++drained;
        drained_signal.release();
      });
      streams.push_back(std::move(stream));
      opened_signal.release();
    };
    return all;
  }
};

struct Setup {
  TempDir dir;
  Watcher watcher;
  RunningServer server{dir / "s", watcher.methods()};
  WitnessClient client{dir / "s"};
};

}  // namespace

TEST_CASE("messages arrive one by one, as they are sent, and then the status") {
  Setup setup;
  WitnessStream stream(setup.client, kWatch, "please");
  setup.watcher.opened_signal.acquire();
  std::string message;
  for (const std::string text : {"first", "", "third"}) {
    setup.server.run([&] {
      CHECK(setup.watcher.request == "please");
      CHECK(setup.watcher.streams[0]->send(text));
    });
    REQUIRE(stream.read(message));
    CHECK(message == text);
  }
  setup.server.run([&] {
    auto& mine = *setup.watcher.streams[0];
    CHECK(mine.open());
    mine.finish({});
    CHECK(!mine.open());
    CHECK(!mine.send("late"));
    mine.finish(fail(Code::kInternal, "a second status"));
  });
  CHECK(!stream.read(message));
  CHECK(stream.finish().ok());
  CHECK(setup.watcher.closed == 0);
}

TEST_CASE("a stream ends with an error, with and without messages before") {
  for (const bool with_message : {true, false}) {
    Setup setup;
    WitnessStream stream(setup.client, kWatch, "x");
    setup.watcher.opened_signal.acquire();
    setup.server.run([&] {
      if (with_message) CHECK(setup.watcher.streams[0]->send("one"));
      setup.watcher.streams[0]->finish(fail(Code::kNotFound, "gone"));
    });
    std::string message;
    CHECK(stream.read(message) == with_message);
    if (with_message) CHECK(!stream.read(message));
    const auto status = stream.finish();
    CHECK(status.error_code() == grpc::StatusCode::NOT_FOUND);
    CHECK(status.error_message() == "gone");
    CHECK(setup.watcher.closed == 0);
  }
}

TEST_CASE("a stream may end OK without any message") {
  Setup setup;
  WitnessStream stream(setup.client, kWatch, "x");
  setup.watcher.opened_signal.acquire();
  setup.server.run([&] { setup.watcher.streams[0]->finish({}); });
  std::string message;
  CHECK(!stream.read(message));
  CHECK(stream.finish().ok());
}

TEST_CASE("three MiB in one message pass the client's windows, and are drained then") {
  Setup setup;
  WitnessStream stream(setup.client, kWatch, "x");
  setup.watcher.opened_signal.acquire();
  std::string list(std::size_t{3} << 20U, 'd');
  for (std::size_t i = 0; i < list.size(); i += 1009) list[i] = static_cast<char>(i >> 3U);
  setup.server.run([&] {
    const int before = setup.watcher.drained;
    CHECK(setup.watcher.streams[0]->send(list));
    CHECK(setup.watcher.drained == before);  // not from within send()
    CHECK(!setup.watcher.streams[0]->drained());
  });
  std::string message;
  REQUIRE(stream.read(message));
  CHECK((message == list));
  setup.watcher.drained_signal.acquire();
  setup.server.run([&] { CHECK(setup.watcher.streams[0]->drained()); });
}

TEST_CASE("what fits the socket at once is drained at once, and that is told too") {
  Setup setup;
  WitnessStream stream(setup.client, kWatch, "x");
  setup.watcher.opened_signal.acquire();
  for (int i = 0; i < 3; ++i) {
    setup.server.run([&] {
      CHECK(setup.watcher.streams[0]->send("small"));
      CHECK(setup.watcher.drained == i);
    });
    setup.watcher.drained_signal.acquire();
  }
  CHECK(setup.watcher.drained == 3);
}

TEST_CASE("a reader that is slow is sent 4 MiB and no more, and loses nothing") {
  Setup setup;
  WitnessStream stream(setup.client, kWatch, "x");
  setup.watcher.opened_signal.acquire();
  const std::size_t size = std::size_t{64} << 10U;
  std::size_t sent = 0;
  setup.server.run([&] {
    while (setup.watcher.streams[0]->send(std::to_string(sent) + std::string(size, 's'))) ++sent;
    CHECK(setup.watcher.streams[0]->open());
    CHECK(!setup.watcher.streams[0]->drained());
  });
  CHECK(sent * size >= kMaxMessageBytes);
  CHECK(sent * size <= 2 * kMaxMessageBytes);
  for (std::size_t i = 0; i < sent; ++i) {
    std::string message;
    REQUIRE(stream.read(message));
    CHECK((message == std::to_string(i) + std::string(size, 's')));
  }
  setup.watcher.drained_signal.acquire();
  setup.server.run([&] {
    CHECK(setup.watcher.streams[0]->send("again"));
    setup.watcher.streams[0]->finish({});
  });
  std::string message;
  CHECK(stream.read(message));
  CHECK(!stream.read(message));
  CHECK(stream.finish().ok());
}

TEST_CASE("everything that was sent comes before the status, also to a slow reader") {
  Setup setup;
  WitnessStream stream(setup.client, kWatch, "x");
  setup.watcher.opened_signal.acquire();
  const std::string part(std::size_t{1} << 20U, 'p');
  setup.server.run([&] {
    for (int i = 0; i < 3; ++i) CHECK(setup.watcher.streams[0]->send(part));
    setup.watcher.streams[0]->finish(fail(Code::kExhausted, "the end"));
    setup.watcher.streams.clear();  // nobody needs to hold it
  });
  std::string message;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(stream.read(message));
    CHECK((message == part));
  }
  CHECK(!stream.read(message));
  CHECK(stream.finish().error_message() == "the end");
}

TEST_CASE("a client that cancels closes the stream, once") {
  Setup setup;
  WitnessStream stream(setup.client, kWatch, "x");
  setup.watcher.opened_signal.acquire();
  stream.cancel();
  setup.watcher.closed_signal.acquire();
  setup.server.run([&] {
    CHECK(!setup.watcher.streams[0]->open());
    CHECK(!setup.watcher.streams[0]->send("x"));
    setup.watcher.streams[0]->finish({});
  });
  CHECK(stream.finish().error_code() == grpc::StatusCode::CANCELLED);
  CHECK(setup.watcher.closed == 1);
}

TEST_CASE("a client that is gone closes its streams") {
  Setup setup;
  {
    WitnessClient other(setup.dir / "s");
    WitnessStream one(other, kWatch, "x");
    setup.watcher.opened_signal.acquire();
    WitnessStream two(other, kWatch, "x");
    setup.watcher.opened_signal.acquire();
  }
  setup.watcher.closed_signal.acquire();
  setup.watcher.closed_signal.acquire();
  setup.server.run([&] {
    for (const auto& stream : setup.watcher.streams) CHECK(!stream->open());
  });
}

TEST_CASE("a stream's deadline is told to its owner") {
  const TempDir dir;
  Watcher watcher;
  RunningServer server(dir / "s", watcher.methods());
  WitnessClient client(dir / "s");
  // As a unary call, which has a deadline; the wire is the same.
  const auto outcome = client.call(kWatch, "x", std::chrono::milliseconds(30));
  CHECK(outcome.status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  watcher.closed_signal.acquire();
  server.run([&] { CHECK(!watcher.streams[0]->open()); });
  CHECK(watcher.closed == 1);
}

TEST_CASE("a server that stops ends its streams with UNAVAILABLE and tells their owners") {
  Setup setup;
  WitnessStream stream(setup.client, kWatch, "x");
  setup.watcher.opened_signal.acquire();
  setup.server.run([&] {
    CHECK(setup.watcher.streams[0]->send("last words"));
    CHECK(setup.watcher.closed == 0);
    setup.server.server().reset();
    CHECK(setup.watcher.closed == 1);
    CHECK(!setup.watcher.streams[0]->open());
    CHECK(!setup.watcher.streams[0]->send("x"));
  });
  std::string message;
  CHECK(stream.read(message));
  CHECK(message == "last words");
  CHECK(!stream.read(message));
  const auto status = stream.finish();
  CHECK(status.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(status.error_message() == "the server is going down");
}

TEST_CASE("an idle stream and unary calls share a connection") {
  Setup setup;
  WitnessStream stream(setup.client, kWatch, "x");
  setup.watcher.opened_signal.acquire();
  WitnessClient other(setup.dir / "s");
  for (int i = 0; i < 20; ++i) {
    CHECK(other.call("/test.Watcher/None", "x").status.error_code() ==
          grpc::StatusCode::UNIMPLEMENTED);
  }
  setup.server.run([&] { CHECK(setup.watcher.streams[0]->send("alive")); });
  std::string message;
  CHECK(stream.read(message));
}

TEST_CASE("a stream may send from its own callbacks as often as it likes") {
  const TempDir dir;
  Methods methods;
  methods.streaming[kWatch] = [sent = std::make_shared<int>(0)](
                                  std::string_view, const std::shared_ptr<ServerStream>& stream) {
    const std::weak_ptr<ServerStream> weak = stream;
    stream->on_drained([sent, weak] {
      const auto mine = weak.lock();
      REQUIRE(mine);
      if (++*sent < 1000) {
        CHECK(mine->send(std::to_string(*sent)));
      } else {
        mine->finish({});
      }
    });
    CHECK(stream->send("0"));
  };
  RunningServer server(dir / "s", std::move(methods));
  WitnessClient client(dir / "s");
  WitnessStream stream(client, kWatch, "x");
  std::string message;
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(stream.read(message));
    CHECK(message == std::to_string(i));
  }
  CHECK(!stream.read(message));
  CHECK(stream.finish().ok());
}
