// The C peer of HeaderStack: the same record, the same rules (SPECIFICATION.md, P1-P9).
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct wire_level {
  uint16_t ether_type, first_type, l2, l3, l3_end, l4;
  uint8_t l3_kind, l4_kind, ip_proto, vlan_count;
  bool has_ethernet, is_fragment, has_fragment_header;
};

struct wire_stack {
  struct wire_level outer, inner;
  uint32_t tunnel_key;
  uint16_t tunnel_offset, inner_start, tunnel_protocol, options_length;
  uint8_t tunnel, fault;
  bool is_nvgre, has_key;
};

struct wire_options {
  bool look_into_tunnels, accepts_inner_vlan;
  uint16_t geneve_port, vxlan_port;
  uint32_t critical_count;
  uint32_t critical[16];
};

/// Parses `count` frames, the i-th of `lengths[i]` bytes at `frames[i]`, into `out`; returns how many were dropped.
uint32_t wire_c_parse_batch(
    const uint8_t *const *frames, const uint32_t *lengths, uint32_t count, const struct wire_options *options,
    struct wire_stack *out);
