// SPDX-License-Identifier: Apache-2.0
#include "common/litegrpc/frames.h"

#include <algorithm>

namespace sluice::litegrpc {
namespace {

// Up to this size a message is given its place at once, as most are whole in their first bytes.
constexpr std::size_t kTrustedLength = std::size_t{64} << 10U;

}  // namespace

MessageReader::Problem MessageReader::read_prefix() {
  if (prefix_[0] == 1) return Problem::kCompressed;
  if (prefix_[0] != 0) return Problem::kBadFlag;
  for (std::size_t i = 1; i < kPrefixBytes; ++i) length_ = length_ << 8U | prefix_[i];
  if (length_ > limit_) return Problem::kTooLarge;
  message_.reserve(std::min(length_, kTrustedLength));
  return Problem::kNone;
}

MessageReader::Problem MessageReader::feed(std::string_view bytes) {
  while (problem_ == Problem::kNone && !bytes.empty()) {
    if (prefix_size_ < kPrefixBytes) {
      prefix_[prefix_size_++] = static_cast<unsigned char>(bytes[0]);
      bytes.remove_prefix(1);
      if (prefix_size_ == kPrefixBytes) problem_ = read_prefix();
      continue;
    }
    const std::size_t count = std::min(bytes.size(), length_ - message_.size());
    if (count == 0) {
      problem_ = Problem::kSecond;
      break;
    }
    message_.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
  }
  return problem_;
}

void Outbox::push(std::string message) {
  const auto length = static_cast<std::uint32_t>(message.size());
  Message entry{{}, std::move(message)};
  for (std::size_t i = 1; i < kPrefixBytes; ++i) {
    entry.prefix[i] = static_cast<char>(length >> (8U * (kPrefixBytes - 1 - i)) & 0xffU);
  }
  waiting_ += entry.size();
  messages_.push_back(std::move(entry));
}

void Outbox::move_to(std::string& out, std::size_t count) {
  waiting_ -= count;
  while (count > 0) {
    const Message& first = messages_.front();
    if (first_sent_ < kPrefixBytes) {
      const std::size_t part = std::min(count, kPrefixBytes - first_sent_);
      out.append(first.prefix.data() + first_sent_, part);
      first_sent_ += part;
      count -= part;
      if (first_sent_ < kPrefixBytes) return;
    }
    const std::size_t part = std::min(count, first.size() - first_sent_);
    out.append(first.body, first_sent_ - kPrefixBytes, part);
    first_sent_ += part;
    count -= part;
    if (first_sent_ == first.size()) {
      messages_.pop_front();
      first_sent_ = 0;
    }
  }
}

void Outbox::clear() {
  messages_.clear();
  first_sent_ = 0;
  waiting_ = 0;
}

}  // namespace sluice::litegrpc
