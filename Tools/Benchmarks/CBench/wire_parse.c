// HeaderStack again in C, as a C programmer would write it for speed: one pass, guards, then unchecked loads. Built by
// clang and by gcc with -O3 -march=native, it is what the Swift parser is measured against.
#include "include/wire_parse.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { NET_NONE, NET_IPV4, NET_IPV6 };
enum { L4_NONE, L4_UDP, L4_TCP, L4_ICMP, L4_ICMP6, L4_GRE, L4_ESP };
enum { TUNNEL_NONE, TUNNEL_GENEVE, TUNNEL_VXLAN, TUNNEL_GRE };
enum {
  FAULT_NONE,
  FAULT_TRUNCATED,
  FAULT_VERSION,
  FAULT_OPTIONS,
  FAULT_CONTROL,
  FAULT_CRITICAL_BIT,
  FAULT_CRITICAL_OPTION,
  FAULT_PROTOCOL,
  FAULT_INNER,
  FAULT_NO_VNI,
  FAULT_INNER_VLAN,
  FAULT_GRE_RESERVED,
  FAULT_GRE_CHECKSUM
};
enum { PARSED, RUNT, TOO_LONG };

INLINE uint16_t load16(const uint8_t *p) {
  uint16_t v;
  memcpy(&v, p, 2);
  return __builtin_bswap16(v);
}

INLINE uint32_t load32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return __builtin_bswap32(v);
}

INLINE bool is_tag(uint16_t type) { return type == 0x8100 || type == 0x88a8 || type == 0x9100; }

INLINE bool is_extension(uint8_t proto) {
  const uint64_t set = 1ull | 1ull << 43 | 1ull << 44 | 1ull << 51 | 1ull << 60;
  return proto <= 60 && (set >> proto & 1);
}

INLINE void transport(struct wire_level *s, const uint8_t *p, uint32_t at, uint32_t end) {
  uint32_t room = end - at;
  switch (s->ip_proto) {
  case 17: {
    if (room < 8) return;
    uint32_t length = load16(p + at + 4);
    if (length < 8 || length > room) return;
    s->l4_kind = L4_UDP;
    break;
  }
  case 6: {
    if (room < 20) return;
    uint32_t header = (p[at + 12] >> 4) * 4u;
    if (header < 20 || header > room) return;
    s->l4_kind = L4_TCP;
    break;
  }
  case 1:
    if (room < 8 || s->l3_kind != NET_IPV4) return;
    s->l4_kind = L4_ICMP;
    break;
  case 58:
    if (room < 8 || s->l3_kind != NET_IPV6) return;
    s->l4_kind = L4_ICMP6;
    break;
  case 47:
    if (room < 4) return;
    s->l4_kind = L4_GRE;
    break;
  case 50:
    if (room < 8) return;
    s->l4_kind = L4_ESP;
    break;
  default:
    return;
  }
  s->l4 = (uint16_t)at;
}

static __attribute__((noinline)) bool
walk_extensions(struct wire_level *s, const uint8_t *p, uint32_t *at, uint32_t end) {
  uint32_t walked = 0;
  while (is_extension(s->ip_proto)) {
    if (walked == 8 || end - *at < 8) return false;
    const uint8_t *h = p + *at;
    uint32_t length = s->ip_proto == 44 ? 8 : s->ip_proto == 51 ? (h[1] + 2u) * 4 : (h[1] + 1u) * 8;
    if (length > end - *at) return false;
    if (s->ip_proto == 44) {
      s->has_fragment_header = true;
      uint16_t field = load16(h + 2);
      if (field & 0xfff9) s->is_fragment = true;
      if (field & 0xfff8) {
        s->ip_proto = h[0];
        return false;
      }
    }
    s->ip_proto = h[0];
    *at += length;
    walked++;
  }
  return !s->is_fragment;
}

INLINE void network(struct wire_level *s, const uint8_t *p, uint16_t type, uint32_t at, uint32_t end) {
  uint32_t room = end - at;
  if (type == 0x0800) {
    if (room < 20) return;
    uint8_t first = p[at];
    uint32_t header = (first & 15) * 4u, total = load16(p + at + 2);
    if ((uint8_t)(first - 0x45) > 10 || header > total || total > room) return;
    s->l3 = (uint16_t)at;
    s->l3_kind = NET_IPV4;
    s->l3_end = (uint16_t)(at + total);
    s->ip_proto = p[at + 9];
    if (load16(p + at + 6) & 0x3fff) {
      s->is_fragment = true;
      return;
    }
    transport(s, p, at + header, at + total);
  } else if (type == 0x86dd) {
    if (room < 40 || p[at] >> 4 != 6) return;
    uint32_t payload = load16(p + at + 4);
    if (payload > room - 40) return;
    uint32_t next = at + 40, stop = next + payload;
    s->l3 = (uint16_t)at;
    s->l3_kind = NET_IPV6;
    s->l3_end = (uint16_t)stop;
    s->ip_proto = p[at + 6];
    if (is_extension(s->ip_proto) && !walk_extensions(s, p, &next, stop)) return;
    transport(s, p, next, stop);
  }
}

INLINE void ethernet(struct wire_level *s, const uint8_t *p, uint32_t start, uint32_t end) {
  uint16_t type = load16(p + start + 12);
  uint32_t at = start + 14;
  s->first_type = type;
  s->l2 = (uint16_t)start;
  s->has_ethernet = true;
  while (is_tag(type) && s->vlan_count < 2 && at + 4 <= end) {
    type = load16(p + at + 2);
    at += 4;
    s->vlan_count++;
  }
  s->ether_type = type;
  network(s, p, type, at, end);
}

INLINE void inner(struct wire_stack *s, const uint8_t *p, uint32_t at, uint32_t end) {
  uint32_t room = end - at;
  switch (s->tunnel_protocol) {
  case 0x6558:
    if (room < 14) {
      s->fault = FAULT_INNER;
      return;
    }
    ethernet(&s->inner, p, at, end);
    break;
  case 0x0800:
  case 0x86dd:
    if (room < (s->tunnel_protocol == 0x0800 ? 20 : 40)) {
      s->fault = FAULT_INNER;
      return;
    }
    s->inner.ether_type = s->tunnel_protocol;
    s->inner.l2 = (uint16_t)at;
    network(&s->inner, p, s->tunnel_protocol, at, end);
    break;
  default:
    s->fault = FAULT_PROTOCOL;
    return;
  }
  s->inner_start = (uint16_t)at;
}

static __attribute__((noinline)) bool
knows_critical(const uint8_t *p, uint32_t at, uint32_t end, const struct wire_options *options) {
  while (at < end) {
    uint32_t option = load32(p + at);
    if (option & 0x8000) {
      uint32_t i = 0;
      while (i < options->critical_count && options->critical[i] != option >> 8) i++;
      if (i == options->critical_count) return false;
    }
    at += 4 + (option & 31) * 4;
  }
  return true;
}

INLINE uint8_t geneve(struct wire_stack *s, const uint8_t *p, const struct wire_options *options) {
  uint32_t udp = s->outer.l4, at = udp + 8, end = udp + load16(p + udp + 4);
  s->tunnel = TUNNEL_GENEVE;
  if (end - at < 8) return FAULT_TRUNCATED;
  s->tunnel_offset = (uint16_t)at;
  uint32_t head = load32(p + at);
  if (head >> 30) return FAULT_VERSION;
  uint32_t length = (head >> 24) * 4;
  if (length > end - at - 8) return FAULT_TRUNCATED;
  if (length) {
    uint32_t o = at + 8, stop = o + length, any = 0;
    do {
      uint32_t option = load32(p + o);
      any |= option;
      o += 4 + (option & 31) * 4;
    } while (o < stop);
    if (o != stop) return FAULT_OPTIONS;
    if (head & 0x800000) return FAULT_CONTROL;
    if (any & 0x8000) {
      if (!(head & 0x400000)) return FAULT_CRITICAL_BIT;
      if (!knows_critical(p, at + 8, stop, options)) return FAULT_CRITICAL_OPTION;
    }
  } else if (head & 0x800000) {
    return FAULT_CONTROL;
  }
  s->options_length = (uint16_t)length;
  s->tunnel_protocol = (uint16_t)head;
  s->tunnel_key = load32(p + at + 4) >> 8;
  s->has_key = true;
  inner(s, p, at + 8 + length, end);
  return s->fault;
}

INLINE uint8_t vxlan(struct wire_stack *s, const uint8_t *p, const struct wire_options *options) {
  uint32_t udp = s->outer.l4, at = udp + 8, end = udp + load16(p + udp + 4);
  s->tunnel = TUNNEL_VXLAN;
  if (end - at < 8) return FAULT_TRUNCATED;
  s->tunnel_offset = (uint16_t)at;
  if (!(p[at] & 8)) return FAULT_NO_VNI;
  if (end - at < 22) return FAULT_INNER;
  if (!options->accepts_inner_vlan && is_tag(load16(p + at + 20))) return FAULT_INNER_VLAN;
  s->tunnel_key = load32(p + at + 4) >> 8;
  s->has_key = true;
  s->tunnel_protocol = 0x6558;
  inner(s, p, at + 8, end);
  return s->fault;
}

static __attribute__((noinline)) uint8_t gre(struct wire_stack *s, const uint8_t *p) {
  uint32_t at = s->outer.l4, end = s->outer.l3_end;
  s->tunnel = TUNNEL_GRE;
  s->tunnel_offset = (uint16_t)at;
  uint32_t head = load32(p + at);
  if (head & 0x4fff0000) return FAULT_GRE_RESERVED;
  uint32_t flags = head >> 28, length = 4 + (uint32_t)__builtin_popcount(flags & 11) * 4;
  if (length > end - at) return FAULT_TRUNCATED;
  if (flags & 8) {
    uint64_t sum = 0;
    uint32_t i = at;
    for (; i + 2 <= end; i += 2) sum += load16(p + i);
    if (i < end) sum += (uint64_t)p[i] << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    if (sum != 0xffff) return FAULT_GRE_CHECKSUM;
  }
  s->tunnel_protocol = (uint16_t)head;
  if (flags & 2) {
    s->has_key = true;
    s->tunnel_key = load32(p + at + 4 + ((flags & 8) >> 1));
  }
  inner(s, p, at + length, end);
  s->is_nvgre = !s->fault && flags == 2 && s->tunnel_protocol == 0x6558;
  return s->fault;
}

INLINE int parse(const uint8_t *p, uint32_t end, const struct wire_options *options, struct wire_stack *s) {
  memset(s, 0, sizeof *s);
  if (end > 0xffff) end = 0xffff;
  if (end < 14) return RUNT;
  ethernet(&s->outer, p, 0, end);
  if (options->look_into_tunnels) {
    if (s->outer.l4_kind == L4_UDP) {
      uint16_t port = load16(p + s->outer.l4 + 2);
      if (port == options->geneve_port) {
        s->fault = geneve(s, p, options);
      } else if (port == options->vxlan_port) {
        s->fault = vxlan(s, p, options);
      }
    } else if (s->outer.l4_kind == L4_GRE) {
      s->fault = gre(s, p);
    }
  }
  return (s->outer.l3 | s->outer.l4 | s->inner_start | s->inner.l3 | s->inner.l4) >= 512 ? TOO_LONG : PARSED;
}

uint32_t wire_c_parse_batch(
    const uint8_t *const *frames, const uint32_t *lengths, uint32_t count, const struct wire_options *options,
    struct wire_stack *out) {
  uint32_t dropped = 0;
  for (uint32_t i = 0; i < count; i++) dropped += parse(frames[i], lengths[i], options, &out[i]) != PARSED;
  return dropped;
}
