// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/attacher.h"

#include "common/base/first_error.h"
#include "sriov-cni/announce/announce.h"
#include "sriov-cni/attach/addressing.h"
#include "sriov-cni/attach/device_info.h"
#include "sriov-cni/attach/locks.h"
#include "sriov-cni/attach/pending.h"
#include "sriov-cni/attach/plan.h"
#include "sriov-cni/attach/undo.h"
#include "sriov-cni/ports/pod_side.h"
#include "sriov-cni/ports/veth.h"

namespace sluice::cni {
namespace {

using callstats::Step;

// What was begun of a port: nothing else needs undoing.
struct Begun {
  bool record = false, addresses = false, port = false, engine = false;
};

class Adder {
 public:
  Adder(Context& context, const Journal& journal, Plan& plan)
      : context_(context), journal_(journal), plan_(plan), begun_(plan.ports.size()) {}

  Status carry_out();
  Status roll_back();
  CniResult result() const;

 private:
  Status make(PlannedPort& port, Begun& begun);
  Status give_addresses(PlannedPort& port, Begun& begun);
  Status ask_ipam(PlannedPort& port, Begun& begun);
  Status make_port(const PlannedPort& port, Begun& begun);
  Status tell_engine(Record& record);
  void announce_port(const Record& record);
  void complete_result(Record& record) const;
  Status finish();
  template <class Work>
  Status time(Step step, Work&& work) {
    return context_.times.time(step, std::forward<Work>(work));
  }

  Context& context_;
  const Journal& journal_;
  Plan& plan_;
  std::vector<Begun> begun_;
};

Status Adder::carry_out() {
  for (std::size_t i = 0; i < plan_.ports.size(); ++i) {
    // The first one's record names the others before any of them is begun.
    auto made = make(plan_.ports[i], begun_[i]);
    if (made) continue;
    if (plan_.ports.size() == 1) return made;
    return fail(std::move(made).error().with("making " + plan_.ports[i].record.key.interface +
                                             ", one of " + std::to_string(plan_.ports.size()) +
                                             " interfaces"));
  }
  return finish();
}

Status Adder::make(PlannedPort& port, Begun& begun) {
  auto& record = port.record;
  begun.record = true;  // also when only its directory could not be synchronised
  SLUICE_CHECK_OK(time(Step::kJournal, [&] { return journal_.save(record); }));
  const bool port_first = port_comes_first(record);
  if (port_first) SLUICE_CHECK_OK(make_port(port, begun));
  SLUICE_CHECK_OK(give_addresses(port, begun));
  // By now the addresses must be ones that the engine can work with.
  if (record.engine != EngineState::kNone) SLUICE_CHECK_OK(to_attachment(record));
  if (!port_first) SLUICE_CHECK_OK(make_port(port, begun));
  if (record.kind != PortKind::kUserSpace) {
    SLUICE_CHECK_OK(time(Step::kAddress, [&] {
      return configure_pod(plan_.pod, record.key.interface, record.result,
                           pod_rules(context_.config.dialect, record));
    }));
  }
  begun.engine = true;
  SLUICE_CHECK_OK(time(Step::kEngine, [&] { return tell_engine(record); }));
  announce_port(record);
  return {};
}

Status Adder::ask_ipam(PlannedPort& port, Begun& begun) {
  auto& record = port.record;
  if (record.ipam.kind == IpamKind::kNone) return {};
  SLUICE_TRY(const auto ipam, make_ipam(record.ipam, context_.at_most(kIpamAddDeadline)));
  // By IPAM's contract a plugin may have left something, the built-in ones nothing.
  begun.addresses = record.ipam.kind == IpamKind::kDelegate;
  SLUICE_TRY(record.result, ipam->add(ipam_owner(context_, record, record.netns)));
  begun.addresses = true;
  return {};
}

Status Adder::give_addresses(PlannedPort& port, Begun& begun) {
  auto& record = port.record;
  SLUICE_CHECK_OK(time(Step::kIpam, [&] { return ask_ipam(port, begun); }));
  if (!record.first.empty()) {  // routes, and what belongs to the pod, are the first one's
    record.result.routes.clear();
    record.result.dns = {};
    for (auto& address : record.result.addresses) address.gateway.reset();
  }
  if (!port.mac_from_address) return {};
  SLUICE_TRY(const auto attachment, to_attachment(record));
  record.mac = mac_of(attachment.ip);
  if (port.vf) record.wish.mac = record.mac;
  return {};
}

Status Adder::make_port(const PlannedPort& port, Begun& begun) {
  begun.port = true;
  const auto rules = pod_rules(context_.config.dialect, port.record);
  return context_.times.time_port([&](PortTimes& times) {
    return bring_link_in(plan_.pod, rules, [&] {
      if (port.vf) return attach_vf(*port.vf, port.record, plan_.pod, &times);
      return make_veth(port.record, plan_.pod);
    });
  });
}

Status Adder::tell_engine(Record& record) {
  if (record.engine == EngineState::kNone) return {};
  SLUICE_TRY(const auto attachment, to_attachment(record));
  if (record.engine == EngineState::kTold) {
    auto attached =
        EngineClient(record.engine_socket, context_.time_for_engine()).attach(attachment);
    // It may have gone just now.
    const bool gone = !attached && is_gone(attached.error()) &&
                      context_.config.engine == EngineUse::kOptional &&
                      !record.pending_directory.empty();
    if (!gone) return attached;
    record.engine = EngineState::kPending;
    // Before the file: whoever undoes it must know that there may be one.
    SLUICE_CHECK_OK(journal_.save(record));
  }
  context_.log.warn("the offload engine is away: attached without offload",
                    {{"id", record.id()}, {"pending", record.pending_directory}});
  return leave_pending(record.pending_directory, attachment);
}

// Behind an engine nobody would learn by it: who has which address is known there.
void Adder::announce_port(const Record& record) {
  if (record.engine != EngineState::kNone || record.kind == PortKind::kUserSpace ||
      record.result.addresses.empty()) {
    return;
  }
  const auto announced = time(Step::kAddress, [&]() -> Status {
    SLUICE_TRY(auto there, netlink::Rtnl::open_in(plan_.pod));
    SLUICE_TRY(const auto link, there.link(record.key.interface));
    std::vector<IpPrefix> addresses;
    for (const auto& given : record.result.addresses) addresses.push_back(given.address);
    return announce(plan_.pod, link.index, link.mac, addresses);
  });
  if (announced) return;
  context_.log.info("not announced", {{"id", record.id()}, {"why", announced.error()}});
}

void Adder::complete_result(Record& record) const {
  auto& result = record.result;
  if (record.kind == PortKind::kVeth) {
    // The MAC of a veth's host side means nothing to anybody: left out.
    result.interfaces.push_back({record.veth, "", record.mtu, "", "", ""});
  }
  const auto at = result.interfaces.size();
  const bool has_mac = record.mac != MacAddr{};
  result.interfaces.push_back({record.key.interface, has_mac ? record.mac.to_string() : "",
                               record.mtu, record.netns, "", record.vf ? record.vf->pci : ""});
  for (auto& address : result.addresses) address.interface = at;
  // The pod has one resolver, and the first interface's result says it.
  if (record.first.empty() && context_.config.dns != CniDns{}) result.dns = context_.config.dns;
}

Status Adder::finish() {
  for (auto& port : plan_.ports) {
    complete_result(port.record);
    port.record.stage = Stage::kAttached;
    SLUICE_CHECK_OK(time(Step::kJournal, [&] { return journal_.save(port.record); }));
    if (port.record.device_info_file.empty()) continue;
    SLUICE_CHECK_OK(write_device_info(port.record.device_info_file, *port.vf));
  }
  for (const auto& port : plan_.ports) context_.subject.add(port.record);
  return {};
}

Status Adder::roll_back() {
  FirstError first;
  context_.ends = kCallEnds;
  Undoer undoer(context_, journal_);
  for (std::size_t i = plan_.ports.size(); i-- > 0;) {
    const auto& begun = begun_[i];
    if (!begun.record) continue;
    auto record = plan_.ports[i].record;
    if (!begun.engine) record.engine = EngineState::kNone;
    if (!begun.port) record.stage = Stage::kPortReturned;
    if (!begun.addresses) record.ipam.kind = IpamKind::kNone;
    first.keep(undoer.one(std::move(record), &plan_.pod, context_.call.netns));
  }
  return std::move(first).take();
}

CniResult Adder::result() const {
  auto all = context_.config.previous.value_or(CniResult{});
  for (const auto& port : plan_.ports) all = join(all, port.record.result);
  return all;
}

// What DEL's line tells. Nothing fails without it.
void note_subject(Context& context, const Journal& journal) {
  const auto first = journal.load(context.call.id());
  if (!first || !*first) return;
  context.subject.add(**first);
  for (const auto& other : (*first)->others) {
    const auto record = journal.load(context.call.id_of(other));
    if (record && *record) context.subject.add(**record);
  }
}

}  // namespace

Result<CniResult> add(Context& context) {
  context.nics.forget();
  context.ends = kCallEnds - kUndoingTime;
  SLUICE_TRY(const auto lock, context.times.time(Step::kLock, [&] {
    return lock_attachment(context.config.state_dir, context.call.id());
  }));
  SLUICE_TRY(const auto journal, Journal::open(context.config.state_dir));
  SLUICE_TRY(auto plan, make_plan(context, journal));
  Adder adder(context, journal, plan);
  auto done = adder.carry_out();
  if (done) return adder.result();
  auto error = std::move(done).error();
  if (auto undone = adder.roll_back(); !undone) {
    context.log.warn("could not undo everything",
                     {{"id", context.call.id()}, {"error", undone.error()}});
    error.context.push_back("undoing, which failed too (" + undone.error().to_string() + ")");
  }
  return fail(std::move(error));
}

Status del(Context& context) {
  context.nics.forget();
  context.ends = kCallEnds;
  const auto lock = context.times.time(
      Step::kLock, [&] { return lock_attachment(context.config.state_dir, context.call.id()); });
  // Nobody can begin anything there, and what is in it must still be given back.
  if (!lock && !is_read_only(lock.error())) return fail(lock.error());
  const auto journal = Journal::open(context.config.state_dir);
  if (!journal) {
    // No directory, and none can be made: nothing was ever attached.
    return is_read_only(journal.error()) ? Status{} : fail(journal.error());
  }
  note_subject(context, *journal);
  return Undoer(context, *journal).attachment(context.key(), context.call.netns);
}

}  // namespace sluice::cni
