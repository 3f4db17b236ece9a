// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/lookup/service.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "common/api/devices.pb.h"
#include "common/nic/inventory.h"
#include "common/os/frame_socket.h"
#include "common/os/unique_fd.h"
#include "common/os/unix_address.h"
#include "device-plugin/lookup/listing.h"

namespace sluice::lookup {
namespace {

using Reply = os::FrameServer::Reply;

constexpr std::size_t kMaxRequest = 4096;
constexpr std::size_t kShown = 200;
constexpr std::size_t kMaxNamespace = 63, kMaxPod = 253;  // a DNS label, a DNS subdomain
constexpr std::size_t kMaxNotes = 1024;

std::string failure(Code code, std::string message) {
  api::DevicesResponse response;
  response.mutable_failure()->set_code(std::string(to_string(code)));
  response.mutable_failure()->set_message(printable(std::move(message)));
  return response.SerializeAsString();
}

Status check_name(const char* field, const std::string& value, std::size_t limit) {
  const bool good =
      !value.empty() && value.size() <= limit &&
      std::all_of(value.begin(), value.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
      });
  if (good) return {};
  return fail(Code::kInvalid, std::string(field) + " is '" + value.substr(0, kShown) +
                                  "'; allowed are 1 to " + std::to_string(limit) +
                                  " lower case letters, digits, '-', '.'");
}

std::string answer_of(const std::vector<PodDevice>& devices, const std::string& instance) {
  if (devices.size() > kMaxDevicesOfPod) {
    return failure(Code::kExhausted, "the pod has " + std::to_string(devices.size()) +
                                         " devices; at most " + std::to_string(kMaxDevicesOfPod) +
                                         " can be told");
  }
  api::DevicesResponse response;
  auto& found = *response.mutable_pod_devices();
  found.set_instance(instance);
  for (const auto& device : devices) {
    auto& out = *found.add_devices();
    if (device.id.empty()) {
      out.set_plain_port(true);
    } else if (nic::PciAddress::parse(device.id)) {
      out.set_pci_address(device.id);
    } else {
      out.set_sf_name(printable(device.id));
    }
    out.set_resource(printable(device.resource));
    out.set_claim(printable(device.claim));
    out.set_given(device.given);
  }
  return response.SerializeAsString();
}

// A socket's file without anybody behind it, where the service's own was.
void leave_closed_door(const std::string& path) {
  const auto beside = path + ".away";
  const auto address = os::unix_address(beside);
  const os::UniqueFd closed(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!address || !closed) return;
  ::unlink(beside.c_str());
  ::fchmod(closed.get(), 0600);
  const auto* raw = reinterpret_cast<const sockaddr*>(&*address);
  if (::bind(closed.get(), raw, sizeof *address) != 0) return;
  // In one step: at no moment is there no file.
  if (::rename(beside.c_str(), path.c_str()) != 0) ::unlink(beside.c_str());
}

class Service final : public LookupService {
 public:
  Service(Directory& directory, std::string path, std::string instance, Notes notes)
      : directory_(directory),
        path_(std::move(path)),
        instance_(std::move(instance)),
        notes_(std::move(notes)) {}

  ~Service() override {
    // Only over our own: its file may be gone with the whole directory.
    struct stat info {};
    if (server_ && ::lstat(path_.c_str(), &info) == 0 && info.st_ino == inode_) {
      leave_closed_door(path_);
    }
  }

  Status start(os::EventLoop& loop) {
    SLUICE_TRY(server_, os::FrameServer::listen(loop, path_, [this](auto request, auto reply) {
                 handle(request, reply);
               }));
    struct stat info {};
    if (::lstat(path_.c_str(), &info) == 0) inode_ = info.st_ino;
    return {};
  }

 private:
  void handle(const std::string& bytes, const Reply& reply) {
    api::DevicesRequest request;
    if (bytes.size() > kMaxRequest || !request.ParseFromString(bytes)) {
      return reply(failure(Code::kInvalid,
                           "the request is not a sluice.api.DevicesRequest of up "
                           "to 4096 bytes"));
    }
    switch (request.call_case()) {
      case api::DevicesRequest::kPodDevices:
        return pod_devices(request.pod_devices(), reply);
      case api::DevicesRequest::kListDevices:
        return list_devices(reply);
      case api::DevicesRequest::CALL_NOT_SET:
        break;
    }
    reply(failure(Code::kUnsupported, "the request has no call that this device plugin knows"));
  }

  void pod_devices(const api::PodDevicesRequest& request, const Reply& reply) {
    auto good = check_name("namespace", request.namespace_(), kMaxNamespace);
    if (good) good = check_name("pod", request.pod(), kMaxPod);
    if (!good) return reply(failure(good.error().code, good.error().message));
    // Nothing of this object in it: the answer may come when it is gone.
    directory_.devices_of(request.namespace_(), request.pod(),
                          [reply, instance = instance_](Result<std::vector<PodDevice>> found) {
                            reply(found ? answer_of(*found, instance)
                                        : failure(found.error().code, found.error().to_string()));
                          });
  }

  void list_devices(const Reply& reply) {
    api::DevicesResponse response;
    auto& list = *response.mutable_list();
    list_pools(directory_.pools(), list);
    const auto notes = notes_ ? notes_() : std::vector<std::pair<std::string, std::string>>{};
    for (std::size_t i = 0; i < std::min(notes.size(), kMaxNotes); ++i) {
      auto& note = *list.add_notes();
      note.set_name(printable(notes[i].first));
      note.set_value(printable(notes[i].second));
    }
    reply(response.SerializeAsString());
  }

  Directory& directory_;
  std::string path_, instance_;
  Notes notes_;
  ino_t inode_ = 0;
  std::unique_ptr<os::FrameServer> server_;
};

}  // namespace

Result<std::unique_ptr<LookupService>> LookupService::listen(os::EventLoop& loop,
                                                             const std::string& path,
                                                             Directory& directory,
                                                             std::string instance, Notes notes) {
  auto service = std::make_unique<Service>(directory, path, std::move(instance), std::move(notes));
  SLUICE_CHECK_OK(service->start(loop));
  return std::unique_ptr<LookupService>(std::move(service));
}

}  // namespace sluice::lookup
