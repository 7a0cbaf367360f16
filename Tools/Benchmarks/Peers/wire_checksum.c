// DPDK's checksums as gcc builds them: inline functions behind a call, as a program in another language has them.
#include <rte_config.h>
#include <rte_ip.h>

uint16_t wire_rte_raw_cksum(const void *bytes, size_t count) { return rte_raw_cksum(bytes, count); }

uint16_t wire_rte_ipv4_cksum(const void *header) { return rte_ipv4_cksum((const struct rte_ipv4_hdr *)header); }

/// The sums of `count` buffers of `length` bytes, `stride` bytes apart: the loop in C too, so that the call is inlined.
uint64_t wire_rte_raw_cksum_batch(const uint8_t *bytes, size_t length, size_t stride, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += rte_raw_cksum(bytes + i * stride, length);
  return sum;
}
