// SPDX-License-Identifier: Apache-2.0
// Whatever bytes come from a gRPC client into the server's session, or from a server into a call.
// The first byte chooses the side and how the rest is cut into pieces.
// fuzz-deps: sluice_litegrpc
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/litegrpc/call.h"
#include "common/litegrpc/call_session.h"
#include "common/litegrpc/server_session.h"

using namespace sluice;
using namespace sluice::litegrpc;

namespace {

constexpr std::uint8_t kServerSide = 1;
constexpr std::uint8_t kGreeted = 2;    // the bytes come after a good greeting
constexpr std::uint8_t kSlowPeer = 4;   // it takes little of what it is sent
constexpr std::uint8_t kOwnerEnds = 8;  // the server goes down in the middle
constexpr std::string_view kEmptySettings("\0\0\0\4\0\0\0\0\0", 9);

void require(bool holds) {
  if (!holds) std::abort();
}

// Gives back what it was asked, keeps streams, and answers some calls late.
struct Service {
  std::vector<std::shared_ptr<ServerStream>> streams;
  std::vector<Reply> late;
  std::size_t opened = 0;
  std::size_t closed = 0;

  Methods methods() {
    Methods all;
    all.unary["/a/e"] = [](std::string_view request, const Reply& reply) {
      reply(std::string(request));
    };
    all.unary["/a/f"] = [](std::string_view request, const Reply& reply) {
      reply(fail(Code::kNotFound, std::string(request)));
    };
    all.unary["/a/l"] = [this](std::string_view, Reply reply) { late.push_back(std::move(reply)); };
    all.streaming["/a/s"] = [this](std::string_view request, std::shared_ptr<ServerStream> stream) {
      ++opened;
      stream->on_closed([this] { ++closed; });
      (void)stream->send(std::string(request));
      (void)stream->send(std::string(70000, 's'));
      streams.push_back(std::move(stream));
    };
    return all;
  }
};

// False: there will be no more.
bool take_output(Session& session, std::size_t most) {
  std::size_t taken = 0;
  while (taken < most) {
    const std::string_view bytes = session.output();
    if (bytes.empty()) break;
    const std::size_t part = std::min(bytes.size(), most - taken);
    session.written(part);
    taken += part;
  }
  return !session.over();
}

void run_server(os::EventLoop& loop, std::uint8_t mode, std::string_view bytes) {
  Service service;
  const auto methods = std::make_shared<const Methods>(service.methods());
  const auto budget = std::make_shared<RequestBudget>();
  auto session = std::make_shared<ServerSession>(loop, methods, budget, 10);
  if ((mode & kGreeted) != 0) {
    require(session->feed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    require(session->feed(kEmptySettings));
  }
  const std::size_t piece = std::size_t{1} << (mode >> 4U);
  const std::size_t most = (mode & kSlowPeer) != 0 ? 10 : std::size_t{1} << 20U;
  bool going = true;
  for (std::size_t round = 0; going && !bytes.empty(); ++round) {
    const std::size_t count = std::min(piece, bytes.size());
    going = session->feed(bytes.substr(0, count));
    bytes.remove_prefix(count);
    session->dispatch();
    going = take_output(*session, most) && going;
    session->note_drained();
    session->dispatch();
    require(budget->used <= budget->most);
    require(session->waiting() <= std::size_t{17} << 20U);
    if (round % 3 == 2) {
      for (const auto& reply : service.late) reply(std::string("late"));
      service.late.clear();
      for (const auto& stream : service.streams) (void)stream->send("more");
    }
    if (round == 5 && (mode & kOwnerEnds) != 0) session->end();
  }
  session->lost();
  session->dispatch();
  for (const auto& stream : service.streams) require(!stream->open());
  require(service.closed == service.opened);
  session.reset();
  require(budget->used == 0);
  for (const auto& reply : service.late) reply(std::string("nobody"));
  for (const auto& stream : service.streams) require(!stream->send("nobody"));
}

void run_call(std::uint8_t mode, std::string_view bytes) {
  CallSession session("/a/e", "request", std::chrono::seconds(1));
  (void)take_output(session, 1000);
  if ((mode & kGreeted) != 0) require(session.feed(kEmptySettings));
  const std::size_t piece = std::size_t{1} << (mode >> 4U);
  bool going = true;
  while (going && !bytes.empty()) {
    const std::size_t count = std::min(piece, bytes.size());
    going = session.feed(bytes.substr(0, count));
    bytes.remove_prefix(count);
    going = take_output(session, 1000) && going;
  }
  if (!session.outcome()) return;
  if (*session.outcome()) {
    require((*session.outcome())->size() <= kMaxAnswerBytes);
  } else {
    require(!session.outcome()->error().message.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & kServerSide) != 0) {
    // Never run: it only keeps the deadlines' timers.
    const auto loop = os::EventLoop::create();
    require(loop.has_value());
    run_server(**loop, data[0], bytes);
  } else {
    run_call(data[0], bytes);
  }
  return 0;
}
