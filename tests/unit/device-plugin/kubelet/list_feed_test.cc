// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/list_feed.h"

#include <doctest/doctest.h>

#include "device-plugin/kubelet/messages.h"

namespace sluice::kubelet {
namespace {

// A reader that takes what it is sent when the test says so.
class FakeStream final : public litegrpc::ServerStream {
 public:
  bool slow = false;
  std::vector<std::string> sent;
  std::optional<Status> finished;

  bool send(std::string message) override {
    if (!open_) return false;
    sent.push_back(std::move(message));
    drained_ = !slow;
    return true;
  }
  void finish(Status status) override {
    finished = std::move(status);
    open_ = false;
  }
  bool open() const override { return open_; }
  bool drained() const override { return drained_; }
  void on_closed(std::function<void()> closed) override { closed_ = std::move(closed); }
  void on_drained(std::function<void()> drained) override { on_drained_ = std::move(drained); }

  void read() {
    drained_ = true;
    on_drained_();
  }
  void leave() {
    open_ = false;
    if (closed_) closed_();
  }

 private:
  bool open_ = true, drained_ = true;
  std::function<void()> closed_, on_drained_;
};

struct Lab {
  unsigned ended = 0;
  std::shared_ptr<ListFeed> feed =
      std::make_shared<ListFeed>("sluice.dev/vf", Logger(), [this] { ++ended; });

  std::shared_ptr<FakeStream> follow(bool slow = false) {
    auto stream = std::make_shared<FakeStream>();
    stream->slow = slow;
    feed->open(stream);
    return stream;
  }
};

std::vector<pools::Device> list(const std::string& id, bool healthy = true,
                                const std::string& reason = "") {
  return {{id, healthy, reason, std::nullopt}};
}

std::string bytes(const std::vector<pools::Device>& devices) {
  return list_message(devices, 1000).bytes;
}

TEST_CASE("a stream gets the list at once, an empty one too, and again only when it differs") {
  Lab lab;
  const auto early = lab.follow();
  CHECK(early->sent == std::vector<std::string>{""});
  lab.feed->publish(list("a", false, "no carrier"));
  const auto late = lab.follow();
  CHECK(late->sent == std::vector<std::string>{bytes(list("a", false))});
  lab.feed->publish(list("a", false, "no carrier"));
  // The kubelet can't see the reason.
  lab.feed->publish(list("a", false, "no driver"));
  CHECK(early->sent.size() == 2);
  CHECK(late->sent.size() == 1);
  lab.feed->publish(list("a"));
  CHECK(early->sent.back() == bytes(list("a")));
  CHECK(late->sent == std::vector<std::string>{bytes(list("a", false)), bytes(list("a"))});
}

TEST_CASE("a slow reader misses lists in between, never the newest") {
  Lab lab;
  const auto slow = lab.follow(true);
  const auto quick = lab.follow();
  for (const char* id : {"a", "b", "c"}) lab.feed->publish(list(id));
  CHECK(slow->sent.size() == 1);
  CHECK(quick->sent.size() == 4);
  slow->read();
  CHECK(slow->sent == std::vector<std::string>{"", bytes(list("c"))});
  slow->read();
  CHECK(slow->sent.size() == 2);
  lab.feed->publish(list("d"));
  CHECK(slow->sent.back() == bytes(list("d")));
}

TEST_CASE("the end of the last stream is told, once") {
  Lab lab;
  const auto first = lab.follow();
  const auto second = lab.follow();
  first->leave();
  CHECK(lab.ended == 0);
  CHECK(lab.feed->streams() == 1);
  second->leave();
  CHECK(lab.ended == 1);
  lab.feed->publish(list("a"));
  CHECK(first->sent.size() == 1);
}

TEST_CASE("a stream whose end was not told is noticed when it is sent to") {
  Lab lab;
  const auto stream = lab.follow();
  stream->on_closed({});
  stream->leave();
  CHECK(lab.feed->streams() == 1);
  lab.feed->publish(list("a"));
  CHECK(lab.feed->streams() == 0);
  CHECK(lab.ended == 1);
}

TEST_CASE("dropped streams tell nothing and get nothing") {
  Lab lab;
  const auto stream = lab.follow();
  lab.feed->drop();
  stream->leave();
  lab.feed->publish(list("a"));
  CHECK(lab.ended == 0);
  CHECK(stream->sent.size() == 1);
}

TEST_CASE("more streams than any kubelet has are refused") {
  Lab lab;
  std::vector<std::shared_ptr<FakeStream>> streams;
  for (std::size_t i = 0; i < kMaxStreams; ++i) streams.push_back(lab.follow());
  const auto refused = lab.follow();
  CHECK(refused->sent.empty());
  REQUIRE(refused->finished);
  CHECK(refused->finished->error().message ==
        "16 watch sluice.dev/vf already, which is all that are allowed");
  streams[0]->leave();
  CHECK(lab.follow()->sent.size() == 1);
}

TEST_CASE("a stream that outlives the feed finds nobody") {
  Lab lab;
  const auto stream = lab.follow();
  lab.feed.reset();
  stream->read();
  stream->leave();
  CHECK(lab.ended == 0);
}

}  // namespace
}  // namespace sluice::kubelet
