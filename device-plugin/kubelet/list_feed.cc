// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/list_feed.h"

#include "device-plugin/kubelet/messages.h"

namespace sluice::kubelet {

void ListFeed::publish(const std::vector<pools::Device>& devices) {
  auto list = list_message(devices, litegrpc::kMaxMessageBytes);
  if (list.bytes == bytes_) return;
  if (list.devices < devices.size()) {
    log_.error("the list is too long for a message, the last devices are left out",
               {{"resource", resource_},
                {"left_out", devices.size() - list.devices},
                {"limit_bytes", litegrpc::kMaxMessageBytes}});
  }
  bytes_ = std::move(list.bytes);
  ++version_;
  std::vector<Id> ids;  // a send may end a stream
  for (const auto& entry : streams_) ids.push_back(entry.first);
  for (const auto id : ids) advance(id);
}

bool ListFeed::open(std::shared_ptr<litegrpc::ServerStream> stream) {
  if (streams_.size() >= kMaxStreams) {
    stream->finish(fail(Code::kExhausted, std::to_string(kMaxStreams) + " watch " + resource_ +
                                              " already, which is all that are allowed"));
    return false;
  }
  const Id id = next_id_++;
  streams_[id].stream = stream;
  const auto self = weak_from_this();
  stream->on_closed([self, id] {
    if (const auto feed = self.lock()) feed->closed(id);
  });
  stream->on_drained([self, id] {
    if (const auto feed = self.lock()) feed->advance(id);
  });
  advance(id);
  return true;
}

void ListFeed::advance(Id id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  auto& follower = found->second;
  if (follower.sent == version_ || !follower.stream->drained()) return;
  const auto before = follower.sent;
  follower.sent = version_;
  const auto stream = follower.stream;  // closed() may come from within send()
  if (stream->send(bytes_)) return;
  if (!stream->open()) {
    closed(id);
  } else if (const auto again = streams_.find(id); again != streams_.end()) {
    again->second.sent = before;  // when it has drained
  }
}

void ListFeed::closed(Id id) {
  if (streams_.erase(id) == 0 || !streams_.empty()) return;
  ended_();
}

void ListFeed::drop() { streams_.clear(); }

}  // namespace sluice::kubelet
