// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/health_feed.h"

#include <algorithm>

#include "device-plugin/dra/kubelet_dra.pb.h"
#include "device-plugin/dra/names.h"
#include "device-plugin/dra/plain_text.h"

namespace sluice::dra {
namespace {

constexpr std::size_t kMaxStreams = 16;
constexpr std::size_t kMaxReason = 1024;

}  // namespace

HealthTable health_table(const std::vector<Offered>& offered, const PreparedClaims& prepared,
                         const std::string& node, std::uint32_t plain_ports) {
  HealthTable out;
  for (std::uint32_t i = 0; i < plain_ports; ++i) {
    out[{port_pool_of(node), plain_port_name(i)}] = "";
  }
  for (const auto& offer : offered) {
    const auto name = device_name_of(offer.candidate.id);
    if (!name) continue;
    std::string reason = plain_text(offer.unhealthy.value_or(""), kMaxReason);
    if (offer.unhealthy && reason.empty()) reason = "unhealthy";
    out[{device_pool_of(node), *name}] = std::move(reason);
  }
  for (const auto& [uid, claim] : prepared) {
    for (const auto& device : claim.devices) {
      const bool port = device.id.empty();
      out.try_emplace({device.allotted.pool, device.allotted.device},
                      port ? "" : "the device is gone");
    }
  }
  return out;
}

HealthFeed::HealthFeed(os::EventLoop& loop, std::function<std::int64_t()> unix_seconds,
                       Duration repeat)
    : loop_(loop), unix_seconds_(std::move(unix_seconds)) {
  timer_ = loop_.every(repeat, [this] { send_all(); });
}

HealthFeed::~HealthFeed() { loop_.cancel(timer_); }

void HealthFeed::add(std::shared_ptr<litegrpc::ServerStream> stream) {
  if (streams_.size() >= kMaxStreams) {
    std::erase_if(streams_, [](const auto& s) { return !s->open(); });
  }
  if (streams_.size() >= kMaxStreams) {
    stream->finish(fail(Code::kExhausted, "too many health streams"));
    return;
  }
  if (known_ && !stream->send(message())) return;
  streams_.push_back(std::move(stream));
}

void HealthFeed::update(HealthTable table) {
  if (known_ && table == table_) return;
  known_ = true;
  table_ = std::move(table);
  send_all();
}

void HealthFeed::send_all() {
  std::erase_if(streams_, [](const auto& stream) { return !stream->open(); });
  if (streams_.empty() || !known_) return;
  const std::string text = message();
  auto streams = std::move(streams_);
  streams_.clear();
  for (auto& stream : streams) {
    if (stream->send(text)) {
      streams_.push_back(std::move(stream));
    } else if (stream->open()) {
      stream->finish(fail(Code::kUnavailable, "the stream doesn't keep up"));
    }
  }
}

std::string HealthFeed::message() const {
  wire::WatchResponse response;
  const auto now = unix_seconds_();
  for (const auto& [key, reason] : table_) {
    auto* device = response.add_devices();
    device->mutable_device()->set_pool_name(key.first);
    device->mutable_device()->set_device_name(key.second);
    device->set_health(reason.empty() ? wire::HEALTHY : wire::UNHEALTHY);
    device->set_last_updated_time(now);
    device->set_health_check_timeout_seconds(
        std::chrono::duration_cast<std::chrono::seconds>(kTimeout).count());
    device->set_message(reason);
  }
  return response.SerializeAsString();
}

}  // namespace sluice::dra
