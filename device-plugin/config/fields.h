// SPDX-License-Identifier: Apache-2.0
// A JSON object read key by key, and what was found wrong on the way.
//
// Contract: null counts as absent, as Go has it. Errors name the place ("pools[0].name").
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"
#include "device-plugin/config/config.h"

namespace sluice::config {

using Json = nlohmann::json;

enum class Form : std::uint8_t { kPeer, kOwn };

// Warnings, bounded. What the peer overlooks is a warning in its form and an error in ours.
class Notes {
 public:
  explicit Notes(Form form) : form_(form) {}
  Form form() const { return form_; }
  void warn(std::string where, std::string what);
  Status mistake(const std::string& where, const std::string& what);
  std::vector<Warning> take() { return std::move(warnings_); }

 private:
  Form form_;
  std::vector<Warning> warnings_;
};

class Fields {
 public:
  // `object` must be one. In the peer's form keys may be written in any case; a key that is exact
  // comes before one that isn't.
  Fields(const Json& object, std::string where, Notes& notes);

  const std::string& where() const { return where_; }
  std::string at(std::string_view key) const {
    return where_.empty() ? std::string(key) : where_ + "." + std::string(key);
  }
  // Null when absent. The key counts as known from then on.
  const Json* take(std::string_view key);

  // Absent: nothing. Another type: Code::kInvalid.
  Result<std::optional<std::string>> string(std::string_view key);
  Result<std::optional<bool>> boolean(std::string_view key);
  Result<std::optional<std::uint32_t>> number(std::string_view key, std::uint32_t limit);
  Result<std::vector<std::string>> strings(std::string_view key);

  struct Unknown {
    std::string where;
    std::string what;  // with the nearest known name
  };
  // The first key that nobody took.
  std::optional<Unknown> unknown(std::span<const std::string_view> known) const;
  // All of them: warnings in the peer's form, an error in ours.
  Status check_unknown(std::span<const std::string_view> known);

 private:
  Unknown describe(const std::string& key, std::span<const std::string_view> known) const;

  const Json& object_;
  std::string where_;
  Notes& notes_;
  std::set<std::string, std::less<>> taken_;
};

Result<std::map<std::string, std::map<std::string, std::string>>> read_additional_info(
    Fields& fields);

// "an object", "a list"; of a string or number also the value.
std::string kind_of(const Json& value);

// "[3]" behind a list's name.
std::string item(const std::string& where, std::size_t index);

}  // namespace sluice::config
