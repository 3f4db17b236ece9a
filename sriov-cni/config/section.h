// SPDX-License-Identifier: Apache-2.0
// One object of a JSON text from outside, read field by field.
//
// Contract: a field that is missing or null leaves what it is read into as it was.
// Errors: code 7, with the field's whole name, its value (cut) and what is allowed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"

namespace sluice::cni {

// Discarded (is_discarded()) when it is no JSON, or nests deeper than 100: what is parsed here can
// be copied and written, both of which recurse.
nlohmann::json parse_json(std::string_view text);

// But for their case.
bool same_letters(std::string_view a, std::string_view b);

// For error messages: a text of somebody else's in quotes, cut.
std::string in_quotes(std::string_view text);
// The same for any value; an object or a list by that word only.
std::string shown(const nlohmann::json& value);

class Section {
 public:
  // `json` must be an object and outlive this. `name`: "" or "runtimeConfig".
  Section(const nlohmann::json& json, std::string name) : json_(json), name_(std::move(name)) {}

  const nlohmann::json* find(std::string_view key) const;
  // The object at `key`; unset when missing.
  Result<std::optional<Section>> section(std::string_view key) const;
  // The list at `key`, at most `most` long; null when missing.
  Result<const nlohmann::json*> list(std::string_view key, std::size_t most) const;

  Status text(std::string_view key, std::string& into) const;
  // An absolute path.
  Status path(std::string_view key, std::size_t longest, std::string& into) const;
  // true, false, "on", "off" (in either case), "" for unset.
  Status flag(std::string_view key, std::optional<bool>& into) const;
  template <class T>
  Status number(std::string_view key, std::uint32_t least, std::uint32_t most,
                std::optional<T>& into) const {
    SLUICE_TRY(const auto value, whole_number(key, least, most));
    if (value) into = static_cast<T>(*value);
    return {};
  }
  // One of `names`, whose place is the value's; "" for unset.
  template <class T, std::size_t n>
  Status choice(std::string_view key, const std::array<std::string_view, n>& names,
                std::optional<T>& into) const {
    SLUICE_TRY(const auto place, one_of(key, names.data(), n));
    if (place) into = static_cast<T>(*place);
    return {};
  }

  std::string name_of(std::string_view key) const;
  // "<field> is <value>; allowed is/are ..."
  tl::unexpected<Error> bad(std::string_view key, std::string_view allowed) const;
  // A field that nothing here can act on: code 2.
  tl::unexpected<Error> unsupported(std::string_view key, std::string_view why) const;
  const nlohmann::json& json() const { return json_; }

 private:
  Result<std::optional<std::uint32_t>> whole_number(std::string_view key, std::uint32_t least,
                                                    std::uint32_t most) const;
  Result<std::optional<std::size_t>> one_of(std::string_view key, const std::string_view* names,
                                            std::size_t count) const;

  const nlohmann::json& json_;
  std::string name_;
};

}  // namespace sluice::cni
