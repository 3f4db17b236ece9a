// SPDX-License-Identifier: Apache-2.0
// libibverbs by dlopen(3).
#include <dlfcn.h>
#include <infiniband/verbs.h>

#include "device-plugin/health/rdma_events.h"

namespace sluice::health {
namespace {

constexpr const char* kLibrary = "libibverbs.so.1";

std::string dl_reason() {
  const char* reason = ::dlerror();  // NOLINT(concurrency-mt-unsafe): of this thread, in glibc
  return reason == nullptr ? "no reason given" : reason;
}

// Of type std::function<R(A...)>, from the symbol `name`.
template <class Function>
bool find(void* library, const char* name, std::function<Function>& to) {
  void* symbol = ::dlsym(library, name);
  if (symbol == nullptr) return false;
  to = reinterpret_cast<Function*>(symbol);
  return true;
}

}  // namespace

Result<VerbsTable> load_libibverbs() {
  VerbsTable table;
  table.library =
      std::shared_ptr<void>(::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL), [](void* handle) {
        if (handle != nullptr) ::dlclose(handle);
      });
  void* library = table.library.get();
  if (library == nullptr) {
    return fail(Code::kUnavailable, "can't load " + std::string(kLibrary) + ": " + dl_reason());
  }
  const bool complete = find(library, "ibv_get_device_list", table.get_device_list) &&
                        find(library, "ibv_free_device_list", table.free_device_list) &&
                        find(library, "ibv_get_device_name", table.get_device_name) &&
                        find(library, "ibv_open_device", table.open_device) &&
                        find(library, "ibv_close_device", table.close_device) &&
                        find(library, "ibv_get_async_event", table.get_async_event) &&
                        find(library, "ibv_ack_async_event", table.ack_async_event);
  if (!complete) {
    return fail(Code::kUnavailable, std::string(kLibrary) + " lacks a function: " + dl_reason());
  }
  table.async_fd = [](ibv_context* context) { return context->async_fd; };
  return table;
}

}  // namespace sluice::health
