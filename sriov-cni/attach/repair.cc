// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/repair.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "sriov-cni/attach/facts_cache.h"
#include "sriov-cni/ports/pod_life.h"

namespace sluice::cni {
namespace {

std::string why_dead(const Record& record) {
  return pod_life(record) == PodLife::kDead ? "its namespace " + record.netns + " is gone" : "";
}

std::string as_json(const RepairOptions& options, const std::vector<Finding>& findings) {
  nlohmann::ordered_json out;
  out["dryRun"] = options.dry_run;
  out["findings"] = nlohmann::ordered_json::array();
  for (const auto& finding : findings) {
    out["findings"].push_back({{"kind", finding.kind},
                               {"subject", finding.subject},
                               {"what", finding.what},
                               {"done", !options.dry_run && finding.error.empty()},
                               {"error", finding.error}});
  }
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string as_table(const RepairOptions& options, const std::vector<Finding>& findings) {
  if (findings.empty()) return "nothing to repair\n";
  std::array<std::size_t, 2> width = {4, 7};
  for (const auto& finding : findings) {
    width[0] = std::max(width[0], finding.kind.size());
    width[1] = std::max(width[1], finding.subject.size());
  }
  const auto padded = [](std::string text, std::size_t to) {
    text.resize(std::max(text.size(), to), ' ');
    return text + "  ";
  };
  std::string out =
      padded("KIND", width[0]) + padded("SUBJECT", width[1]) + padded("RESULT", 6) + "WHAT\n";
  for (const auto& finding : findings) {
    const char* result = !finding.error.empty() ? "failed" : options.dry_run ? "found" : "done";
    out += padded(finding.kind, width[0]) + padded(finding.subject, width[1]) + padded(result, 6) +
           finding.what + (finding.error.empty() ? "" : ": " + finding.error) + "\n";
  }
  return out;
}

std::vector<NicPlace> places_of(const RepairOptions& options, const std::vector<KeptFacts>& kept) {
  std::vector<NicPlace> out = {options.place};
  for (const auto& [socket, facts] : kept) {
    const auto same = std::find_if(out.begin(), out.end(), [&facts = facts](const NicPlace& place) {
      return place.sysfs_root == facts.sysfs_root;
    });
    if (same == out.end()) {
      out.push_back({facts.sysfs_root, facts.vf_control_socket, options.place.baseline_dir});
    } else if (same->vf_control_socket.empty()) {
      same->vf_control_socket = facts.vf_control_socket;
    }
  }
  return out;
}

std::vector<std::string> sockets_of(const RepairOptions& options,
                                    const std::vector<KeptFacts>& kept) {
  std::vector<std::string> out;
  if (!options.engine_socket.empty()) out.push_back(options.engine_socket);
  for (const auto& one : kept) {
    if (one.socket != options.engine_socket) out.push_back(one.socket);
  }
  return out;
}

}  // namespace

std::string repair_help() {
  const RepairOptions defaults;
  return "usage: sluice-cni repair [options]\n"
         "Takes back what is left of pods that are gone: attachments, VFs, addresses.\n"
         "  --dry-run                only says what there is\n"
         "  --json                   for programs\n"
         "  --state-dir DIR          " +
         defaults.state_dir +
         "\n"
         "  --engine-socket PATH     of an engine that this node's pods were told to\n"
         "  --sysfs-root DIR         " +
         defaults.place.sysfs_root +
         "\n"
         "  --vf-control-socket PATH of a simulated NIC\n"
         "  --baseline-dir DIR       " +
         defaults.place.baseline_dir +
         "\n"
         "  --stats-file PATH        " +
         defaults.stats_file +
         "\n"
         "Exit status: 0 all was taken back, or there was nothing; 1 something could not be;\n"
         "2 a wrong argument. A dry run: 0.\n";
}

Result<RepairOptions> parse_repair(const std::vector<std::string>& arguments) {
  RepairOptions out;
  struct Option {
    const char* name;
    std::string* value;
  };
  const std::array<Option, 6> with_value = {{{"--state-dir", &out.state_dir},
                                             {"--engine-socket", &out.engine_socket},
                                             {"--sysfs-root", &out.place.sysfs_root},
                                             {"--vf-control-socket", &out.place.vf_control_socket},
                                             {"--baseline-dir", &out.place.baseline_dir},
                                             {"--stats-file", &out.stats_file}}};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& argument = arguments[i];
    if (argument == "--dry-run" || argument == "--json" || argument == "--help") {
      (argument == "--dry-run" ? out.dry_run : argument == "--json" ? out.json : out.help) = true;
      continue;
    }
    const auto equals = argument.find('=');
    const auto name = argument.substr(0, equals);
    const auto* option = std::find_if(with_value.begin(), with_value.end(),
                                      [&](const Option& one) { return name == one.name; });
    if (option == with_value.end()) {
      return fail(Code::kInvalid,
                  "'" + argument.substr(0, 200) + "' is no argument of repair; see --help");
    }
    if (equals == std::string::npos && i + 1 == arguments.size()) {
      return fail(Code::kInvalid, name + " needs a value");
    }
    *option->value = equals == std::string::npos ? arguments[++i] : argument.substr(equals + 1);
    if (option->value->empty() || option->value->front() != '/') {
      return fail(Code::kInvalid, name + " is '" + option->value->substr(0, 200) +
                                      "'; allowed is an absolute path");
    }
  }
  return out;
}

Result<std::vector<Finding>> repair(const RepairOptions& options, const Logger& log) {
  const SteadyClock clock;
  NetConfig config;
  config.state_dir = options.state_dir;
  config.baseline_dir = options.place.baseline_dir;
  Context context{std::move(config), Invocation{}, log, StepTimes(clock)};
  auto journal = Journal::open_existing(options.state_dir);
  if (!journal) {
    return fail(std::move(journal).error().with("looking at --state-dir " + options.state_dir));
  }
  const auto kept = all_cached_facts(options.state_dir);
  const auto places = places_of(options, kept);
  const auto engines = sockets_of(options, kept);
  // For records of the first version, which don't name theirs.
  if (!engines.empty()) context.config.engine_socket = engines.front();
  // In this order: what is explained by an attachment is no finding of its own any more.
  Reclaimer reclaimer(context, *journal, options.dry_run);
  reclaimer.attachments(why_dead);
  reclaimer.temporary_files();
  reclaimer.damaged_records(places, engines);
  reclaimer.addresses();
  for (const auto& place : places) reclaimer.stray_vfs(place);
  for (const auto& engine : kept) {
    if (!engine.facts.pending_directory.empty()) {
      reclaimer.pending_files(engine.facts.pending_directory);
    }
  }
  return reclaimer.findings();
}

std::string print_findings(const RepairOptions& options, const std::vector<Finding>& findings) {
  return options.json ? as_json(options, findings) : as_table(options, findings);
}

}  // namespace sluice::cni
