// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/delegate.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "common/os/process.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/section.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxOutput = std::size_t{1} << 20U;  // run_program cuts there
constexpr std::size_t kMaxTalk = std::size_t{64} << 10U;
constexpr std::size_t kMaxMessage = 4096;
constexpr std::size_t kMaxPlugin = 255;

// Which versions know a verb.
struct Version {
  int major = 0, minor = 1, patch = 0;  // what the specification makes of a missing one
  auto operator<=>(const Version&) const = default;
};
constexpr Version kCheckSince{0, 4, 0}, kStatusAndGcSince{1, 1, 0};

struct Configuration {
  Json json;
  std::string version;
  bool knows(const Version& since) const {
    Version own;
    if (std::sscanf(version.c_str(), "%3d.%3d.%3d", &own.major, &own.minor, &own.patch) != 3) {
      return false;
    }
    return own >= since;
  }
};

Result<Configuration> read_configuration(const std::string& text) {
  Configuration out;
  out.json = parse_json(text);
  if (!out.json.is_object()) {
    return cni_fail(kDecodeFailure, "the configuration for an IPAM plugin is no JSON object");
  }
  out.version = "0.1.0";
  const auto version = out.json.find("cniVersion");
  if (version != out.json.end() && version->is_string()) out.version = version->get<std::string>();
  return out;
}

bool is_program(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string trimmed(std::string text) {
  text.resize(std::min(text.size(), kMaxMessage));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// Of a plugin that ended with a status other than 0.
tl::unexpected<Error> plugin_error(const std::string& type, const os::Exit& exit) {
  const auto object = parse_json(exit.out);
  const auto code = object.is_object() ? object.find("code") : object.end();
  if (object.is_object() && code != object.end() && code->is_number_integer()) {
    auto message = text_at(object, "msg");
    if (const auto details = text_at(object, "details"); !details.empty()) {
      message += (message.empty() ? "" : "; ") + details;
    }
    if (message.empty()) message = "IPAM plugin " + type + " fails without a message";
    const auto number = code->get<std::int64_t>();
    return cni_fail(number > 0 && number <= 1'000'000 ? static_cast<int>(number) : kInternal,
                    trimmed(message));
  }
  auto reason = trimmed(exit.err.empty() ? exit.out : exit.err);
  if (reason.empty()) reason = "it says nothing";
  return cni_fail(kInternal, "IPAM plugin " + type + " ended with status " +
                                 std::to_string(exit.status) + ": " + reason);
}

class Delegate : public Ipam {
 public:
  Delegate(IpamSource source, Duration deadline, PluginTalk talk)
      : source_(std::move(source)), deadline_(deadline), talk_(std::move(talk)) {}

  Result<CniResult> add(const IpamOwner& owner) override {
    SLUICE_TRY(const auto configuration, read_configuration(source_.text));
    return ask_for_addresses(owner, configuration.version);
  }

  Status del(const IpamOwner& owner) override {
    SLUICE_CHECK_OK(call(Verb::kDel, &owner, source_.text, deadline_));
    return {};
  }

  Status check(const IpamOwner& owner, const CniResult& previous) override {
    SLUICE_TRY(auto configuration, read_configuration(source_.text));
    if (!configuration.knows(kCheckSince)) return {};
    if (configuration.json.contains("prevResult")) {
      SLUICE_CHECK_OK(call(Verb::kCheck, &owner, source_.text, deadline_));
      return {};
    }
    SLUICE_TRY(const auto printed, print_result(configuration.version, previous));
    configuration.json["prevResult"] = parse_json(printed);
    SLUICE_CHECK_OK(call(Verb::kCheck, &owner, configuration.json.dump(), deadline_));
    return {};
  }

  Status status() override {
    SLUICE_TRY(const auto configuration, read_configuration(source_.text));
    if (!configuration.knows(kStatusAndGcSince)) return {};
    SLUICE_CHECK_OK(call(Verb::kStatus, nullptr, source_.text, deadline_));
    return {};
  }

  Status gc(const std::vector<AttachmentKey>& valid) override {
    SLUICE_TRY(auto configuration, read_configuration(source_.text));
    if (!configuration.knows(kStatusAndGcSince)) return {};
    auto list = Json::array();
    for (const auto& key : valid) {
      list.push_back({{"containerID", key.container_id}, {"ifname", key.interface}});
    }
    // The second is what drafts of the specification called it; runtimes write both.
    configuration.json["cni.dev/valid-attachments"] = list;
    configuration.json["cni.dev/attachments"] = list;
    SLUICE_CHECK_OK(call(Verb::kGc, nullptr, configuration.json.dump(), deadline_));
    return {};
  }

 private:
  Result<CniResult> ask_for_addresses(const IpamOwner& owner, const std::string& version) const {
    SLUICE_TRY(const auto output, call(Verb::kAdd, &owner, source_.text, deadline_));
    auto result = parse_result(output, version);
    if (!result) {
      return fail(
          std::move(result).error().with("reading what IPAM plugin " + source_.type + " answered"));
    }
    if (result->addresses.empty()) {
      return cni_fail(kInternal, "IPAM plugin " + source_.type + " answered without an address");
    }
    // Which interface has them is not the plugin's to say.
    result->interfaces.clear();
    for (auto& address : result->addresses) address.interface.reset();
    return result;
  }

  std::vector<std::string> environment(Verb verb, const IpamOwner* owner) const {
    std::vector<std::string> out = {"CNI_COMMAND=" + std::string(to_string(verb)),
                                    "CNI_PATH=" + source_.plugin_path};
    if (owner != nullptr) {
      out.push_back("CNI_CONTAINERID=" + owner->key.container_id);
      out.push_back("CNI_NETNS=" + owner->netns);
      out.push_back("CNI_IFNAME=" + owner->key.interface);
      out.push_back("CNI_ARGS=" + owner->args);
    }
    constexpr std::array<const char*, 4> kInherited = {"PATH", "TRACEPARENT", "TRACESTATE",
                                                       "BAGGAGE"};
    for (const auto* name : kInherited) {
      if (const char* value = std::getenv(name)) out.push_back(std::string(name) + "=" + value);
    }
    return out;
  }

  // The plugin's stdout.
  Result<std::string> call(Verb verb, const IpamOwner* owner, const std::string& input,
                           Duration deadline) const {
    const auto doing =
        "asking IPAM plugin " + source_.type + " (" + std::string(to_string(verb)) + ")";
    SLUICE_TRY(const auto path, find_plugin(source_.type, source_.plugin_path));
    auto exit = os::run_program({path}, input, deadline, environment(verb, owner));
    if (!exit) return fail(std::move(exit).error().with(doing));
    if (!exit->err.empty()) talk_(std::string_view(exit->err).substr(0, kMaxTalk));
    if (exit->status != 0) {
      return fail(std::move(plugin_error(source_.type, *exit)).value().with(doing));
    }
    if (exit->out.size() >= kMaxOutput) {
      return cni_fail(kDecodeFailure, "IPAM plugin " + source_.type + " answered with " +
                                          std::to_string(kMaxOutput) + " bytes or more");
    }
    return std::move(exit->out);
  }

  IpamSource source_;
  Duration deadline_;
  PluginTalk talk_;
};

}  // namespace

void talk_to_stderr(std::string_view text) {
  while (!text.empty()) {
    const auto put = ::write(STDERR_FILENO, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

Result<std::string> find_plugin(const std::string& type, std::string_view folders) {
  std::size_t begin = 0;
  while (begin <= folders.size()) {
    const auto end = std::min(folders.find(':', begin), folders.size());
    const auto folder = std::string(folders.substr(begin, end - begin));
    begin = end + 1;
    if (folder.empty() || folder.front() != '/') continue;
    if (auto path = folder + "/" + type; is_program(path)) return path;
  }
  return fail(Code::kNotFound, "IPAM plugin " + type + " is in no absolute folder of CNI_PATH '" +
                                   std::string(folders.substr(0, 200)) + "'");
}

Result<std::unique_ptr<Ipam>> make_delegate(const IpamSource& source, Duration deadline,
                                            PluginTalk talk) {
  const auto& type = source.type;
  if (type.empty() || type.size() > kMaxPlugin || type == "." || type == ".." ||
      type.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
    return cni_fail(kInvalidConfig, "ipam.type is '" + type.substr(0, 200) +
                                        "'; allowed is a plugin's name without '/'");
  }
  return std::make_unique<Delegate>(source, deadline, std::move(talk));
}

}  // namespace sluice::cni
