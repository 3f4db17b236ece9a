// SPDX-License-Identifier: Apache-2.0
// The pod interfaces of this node, kept in a file so that a restarted engine knows them.
//
// Contract: every change is on disk before it returns. Validates what the CNI plugin sends: the
// addresses parse, lie in the node's block, and belong to no other attachment.
// Threading: the control thread only.
#pragma once

#include <string>
#include <vector>

#include "offload/engine/seams.h"
#include "offload/model/intent.h"

namespace sluice::engine {

class Attachments {
 public:
  // Reads what an earlier engine left at `file`; none there: empty. A file that doesn't parse is an
  // Error: throwing pods' ports away is not ours to decide.
  static Result<Attachments> load(std::string file);

  // An equal one again: success, nothing changes. The same id otherwise: Code::kExists.
  Status add(const model::Attachment& attachment, const model::Node& self);
  // What was removed; Code::kNotFound when there was none.
  Result<model::Attachment> remove(const std::string& id);

  const std::vector<model::Attachment>& all() const { return all_; }
  const model::Attachment* find(const std::string& id) const;

 private:
  explicit Attachments(std::string file) : file_(std::move(file)) {}
  Status check(const model::Attachment& attachment, const model::Node& self) const;
  Status save(const std::vector<model::Attachment>& all) const;

  std::string file_;
  std::vector<model::Attachment> all_;
};

}  // namespace sluice::engine
