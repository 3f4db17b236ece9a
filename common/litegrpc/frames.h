// SPDX-License-Identifier: Apache-2.0
// gRPC's messages within a stream's bytes: a flag, a length of 4 bytes, the message.
//
// Both sides here are of calls with one message in the direction that is read, so a second message
// is a fault.
// Source: "Length-Prefixed-Message" in PROTOCOL-HTTP2.md of grpc.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::litegrpc {

inline constexpr std::size_t kPrefixBytes = 5;

// Collects the one message of a stream. Memory grows with what came, not with what is announced.
class MessageReader {
 public:
  enum class Problem { kNone, kCompressed, kBadFlag, kTooLarge, kSecond };

  explicit MessageReader(std::size_t limit) : limit_(limit) {}

  // After a problem, nothing more is taken.
  Problem feed(std::string_view bytes);

  bool empty() const { return prefix_size_ == 0; }  // not one byte has come
  bool whole() const { return prefix_size_ == kPrefixBytes && message_.size() == length_; }
  std::size_t held() const { return message_.size(); }
  std::size_t announced() const { return length_; }
  const std::string& message() const { return message_; }
  std::string take() { return std::exchange(message_, {}); }
  void clear() { message_ = {}; }

 private:
  Problem read_prefix();

  std::size_t limit_;
  std::array<unsigned char, kPrefixBytes> prefix_{};
  std::size_t prefix_size_ = 0;
  std::size_t length_ = 0;
  std::string message_;
  Problem problem_ = Problem::kNone;
};

// Messages on their way out, prefixed while they are copied, each copied once.
class Outbox {
 public:
  void push(std::string message);
  std::size_t waiting() const { return waiting_; }
  // Part of the first message is out already.
  bool within_message() const { return first_sent_ != 0; }
  void move_to(std::string& out, std::size_t count);  // count <= waiting()
  void clear();

 private:
  struct Message {
    std::array<char, kPrefixBytes> prefix;
    std::string body;
    std::size_t size() const { return prefix.size() + body.size(); }
  };

  std::deque<Message> messages_;
  std::size_t first_sent_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace sluice::litegrpc
