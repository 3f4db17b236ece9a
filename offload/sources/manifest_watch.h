// SPDX-License-Identifier: Apache-2.0
// Watches a manifest file and reads it anew whenever it changes.
//
// Contract: the first version is read as soon as the loop runs; after that every version whose
// content differs from the last one read. Editors that replace the file by rename, symbolic links
// that are swapped (a mounted ConfigMap) and a file that comes later are all seen: its directory is
// watched, and that of the file it leads to. Changes are gathered for 50 ms.
// A version that can't be read or is invalid is reported as an Error; what was in force stays so.
// Threading: everything on the loop's thread. The callback may destroy the watch.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "offload/sources/manifest.h"

namespace sluice::sources {

class ManifestWatch {
 public:
  using Callback = std::function<void(Result<Manifest>)>;

  // An Error when inotify isn't to be had, or the file's directory doesn't exist.
  static Result<std::unique_ptr<ManifestWatch>> start(os::EventLoop& loop, std::string path,
                                                      Callback changed);
  virtual ~ManifestWatch() = default;
};

}  // namespace sluice::sources
