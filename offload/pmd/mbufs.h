// SPDX-License-Identifier: Apache-2.0
// Bytes into mbufs and out of them.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

namespace sluice::pmd {

// A chain where one mbuf's room is not enough; null when the pool is empty.
inline rte_mbuf* copy_to_mbufs(rte_mempool* pool, std::span<const std::uint8_t> bytes) {
  rte_mbuf* head = rte_pktmbuf_alloc(pool);
  if (head == nullptr) return nullptr;
  rte_mbuf* tail = head;
  std::size_t done = 0;
  for (;;) {
    const std::size_t part = std::min<std::size_t>(rte_pktmbuf_tailroom(tail), bytes.size() - done);
    std::memcpy(rte_pktmbuf_mtod(tail, void*), bytes.data() + done, part);
    tail->data_len = static_cast<std::uint16_t>(part);
    done += part;
    if (done == bytes.size()) break;
    rte_mbuf* next = part == 0 ? nullptr : rte_pktmbuf_alloc(pool);
    if (next == nullptr) {
      rte_pktmbuf_free(head);
      return nullptr;
    }
    tail->next = next;
    tail = next;
    ++head->nb_segs;
  }
  head->pkt_len = static_cast<std::uint32_t>(bytes.size());
  return head;
}

// The frame's bytes in one piece: where they lie, or in `scratch`. Empty when they don't fit there.
inline std::span<std::uint8_t> one_piece(rte_mbuf* m, std::span<std::uint8_t> scratch) {
  if (m->nb_segs == 1) return {rte_pktmbuf_mtod(m, std::uint8_t*), m->data_len};
  if (m->pkt_len > scratch.size()) return {};
  std::size_t done = 0;
  for (const rte_mbuf* s = m; s != nullptr; s = s->next) {
    if (s->data_len > scratch.size() - done) return {};
    std::memcpy(scratch.data() + done, rte_pktmbuf_mtod(s, const void*), s->data_len);
    done += s->data_len;
  }
  return scratch.first(done);
}

}  // namespace sluice::pmd
