// SPDX-License-Identifier: Apache-2.0
#include "offload/sources/yaml.h"

#include <charconv>
#include <cstdlib>
#include <istream>
#include <map>
#include <optional>
#include <streambuf>
#include <string>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>
#include <nlohmann/json.hpp>

namespace sluice::sources {
namespace {

using nlohmann::json;

constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";

bool all_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::optional<json> parse_integer(std::string_view text) {
  bool negative = false;
  int base = 10;
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.starts_with("0o")) {
    base = 8;
    text.remove_prefix(2);
  } else if (text.starts_with('-') || text.starts_with('+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const std::string_view digits = base == 16  ? "0123456789abcdefABCDEF"
                                  : base == 8 ? "01234567"
                                              : "0123456789";
  if (!all_of(text, digits)) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (!negative) return json(value);
  if (value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return json(-static_cast<std::int64_t>(value));
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool looks_like_float(std::string_view text) {
  const auto skip_digits = [&text] {
    std::size_t count = 0;
    while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
    text.remove_prefix(count);
    return count;
  };
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const std::size_t whole = skip_digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (skip_digits() + whole == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (skip_digits() == 0) return false;
  }
  return text.empty();
}

// Reads the text in place; std::istringstream would copy it.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf's get area is never written
    setg(begin, begin, begin + text.size());
  }
};

// Builds one JSON value a document. After the first mistake it only swallows events.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const YamlLimits& limits) : limits_(limits) {}

  std::vector<json> documents;
  std::optional<std::string> mistake;

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp makes empty documents for ever of a token that can't begin one (a line that starts
    // with a comma): it never gets past it.
    if (mark.pos <= last_start_) return give_up(mark, "unexpected text");
    last_start_ = mark.pos;
    anchors_.clear();
    open_.clear();
    root_ = json();
  }
  void OnDocumentEnd() override {
    if (!mistake) documents.push_back(std::move(root_));
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    put(mark, json(), anchor, 1);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (mistake) return;
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) return give_up(mark, "an alias refers to the value it is part of");
    if (count_ + it->second.nodes > limits_.max_nodes) return too_many(mark);
    put(mark, it->second.value, 0, it->second.nodes);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag == "?" || tag.empty()) return put(mark, resolve_plain_scalar(value), anchor, 1);
    if (tag == "!" || tag == kStringTag) return put(mark, json(value), anchor, 1);
    give_up(mark, "the tag '" + tag.substr(0, 64) + "' is not supported (allowed: !!str)");
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, json::array(), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, json::object(), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    json value;
    std::optional<std::string> key;  // of the map entry that waits for its value
    YAML::anchor_t anchor = 0;
    std::size_t nodes_before = 0;
    YAML::Mark mark;
  };
  struct Anchored {
    json value;
    std::size_t nodes = 0;
  };

  void give_up(const YAML::Mark& mark, const std::string& what) {
    if (mistake) return;
    mistake = "document " + std::to_string(documents.size() + 1) + ", line " +
              std::to_string(mark.line + 1) + ": " + what;
    open_.clear();
    anchors_.clear();
  }
  void too_many(const YAML::Mark& mark) {
    give_up(mark, "more than " + std::to_string(limits_.max_nodes) +
                      " values, aliases counted as often as they are used");
  }

  void open(const YAML::Mark& mark, const std::string& tag, json empty, YAML::anchor_t anchor) {
    if (mistake) return;
    if (!tag.empty() && tag != "?" && tag != "!") {
      return give_up(mark, "the tag '" + tag.substr(0, 64) + "' is not supported (allowed: !!str)");
    }
    if (open_.size() >= limits_.max_depth) {
      return give_up(mark, "nested deeper than " + std::to_string(limits_.max_depth) + " levels");
    }
    if (!open_.empty() && open_.back().value.is_object() && !open_.back().key) {
      return give_up(mark, "a key must be a string");
    }
    open_.push_back(Level{std::move(empty), std::nullopt, anchor, count_, mark});
    ++count_;
  }

  void close() {
    if (mistake || open_.empty()) return;
    Level level = std::move(open_.back());
    open_.pop_back();
    const std::size_t nodes = count_ - level.nodes_before;
    count_ = level.nodes_before;
    put(level.mark, std::move(level.value), level.anchor, nodes);
  }

  // `nodes`: how many values it is, itself included.
  void put(const YAML::Mark& mark, json value, YAML::anchor_t anchor, std::size_t nodes) {
    if (mistake) return;
    count_ += nodes;
    if (anchor != 0) {
      count_ += nodes;  // its copy
      anchors_[anchor] = Anchored{value, nodes};
    }
    if (count_ > limits_.max_nodes) return too_many(mark);
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Level& level = open_.back();
    if (level.value.is_array()) {
      level.value.push_back(std::move(value));
    } else if (!level.key) {
      if (!value.is_string())
        return give_up(mark, "the key " + shorten(value) + " is not a string");
      level.key = value.get<std::string>();
      if (level.value.contains(*level.key)) {
        return give_up(mark, "the key '" + level.key->substr(0, 64) + "' is there twice");
      }
    } else {
      level.value[*level.key] = std::move(value);
      level.key.reset();
    }
  }

  static std::string shorten(const json& value) {
    if (value.is_structured()) return value.is_array() ? "[...]" : "{...}";
    return value.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 64);
  }

  const YamlLimits& limits_;
  json root_;
  std::vector<Level> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t count_ = 0;
  int last_start_ = -1;
};

tl::unexpected<Error> invalid(std::string message) {
  return fail(Error{Code::kInvalid, Domain::kConfig, 0, std::move(message), {}, Retry::kNever});
}

}  // namespace

json resolve_plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return json();
  }
  if (text == "true" || text == "True" || text == "TRUE") return json(true);
  if (text == "false" || text == "False" || text == "FALSE") return json(false);
  if (auto integer = parse_integer(text)) return *integer;
  // .inf and .nan have no JSON value and no use in a manifest: they stay strings.
  if (looks_like_float(text)) return json(std::strtod(text.c_str(), nullptr));
  return json(text);
}

Result<std::vector<json>> parse_yaml(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return invalid("the text has " + std::to_string(text.size()) + " bytes, at most " +
                   std::to_string(limits.max_bytes) + " are allowed");
  }
  Builder builder(limits);
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (!builder.mistake && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    if (!builder.mistake) {
      return invalid("document " + std::to_string(builder.documents.size() + 1) + ", line " +
                     std::to_string(error.mark.line + 1) + ": " + error.msg);
    }
  } catch (const std::exception& error) {
    return invalid(std::string("not readable as YAML: ") + error.what());
  }
  if (builder.mistake) return invalid(*std::move(builder.mistake));
  return std::move(builder.documents);
}

}  // namespace sluice::sources
