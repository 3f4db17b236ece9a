// SPDX-License-Identifier: Apache-2.0
// Names that CDI allows, out of names that it may not. Internal to this folder.
//
// Contract: different names stay different. A name that is allowed stays as it is; another one, and
// every one that begins with "x--", becomes "x--" and its characters, those that aren't letters or
// digits as '_' and two hexadecimal digits.
// Source: the Container Device Interface specification, "kind" and device names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::cdi {

std::string vendor_name(std::string_view text);  // [A-Za-z][A-Za-z0-9._-]*, a letter or digit last
std::string class_name(std::string_view text);   // the same without '.'
std::string device_name(std::string_view text);  // the same with ':'; may begin with a digit

// '_' and two hexadecimal digits for every character but letters, digits, '.' and '-'.
std::string file_part(std::string_view set);
// The other way; nullopt: no name that file_part() makes.
std::optional<std::string> from_file_part(std::string_view part);

}  // namespace sluice::cdi
