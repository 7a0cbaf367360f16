/* What the C shim of the DPDK driver and its Swift half (Sources/NetDPU) say to each other: plain structs, no DPDK types.
 *
 * Numbers are in host order unless said otherwise. A pointer is valid during the call only, unless said otherwise.
 * Functions named net_dpu_* are Swift's; the shim calls them one at a time (its gate), from any thread. */
#ifndef NET_DPU_H
#define NET_DPU_H

#include <stddef.h>
#include <stdint.h>

#define NET_DPU_MESSAGE 1024

/* A packet buffer of the host's: room for `room` bytes at `buffer`, of which `length` from `start` on are the frame. */
struct net_dpu_buffer {
  void *cookie;
  uint8_t *buffer;
  uint32_t room;
  uint32_t start;
  uint32_t length;
};

/* What a frame that is sent owes, from the mbuf's flags. */
#define NET_DPU_OWES_IPV4 1u       /* IPv4 header checksum at l3 */
#define NET_DPU_OWES_TCP 2u        /* TCP checksum at l4 */
#define NET_DPU_OWES_UDP 4u        /* UDP checksum at l4 */
#define NET_DPU_OWES_OUTER_IPV4 8u /* IPv4 header checksum at outer_l3 */
#define NET_DPU_OWES_OUTER_UDP 16u /* UDP checksum at outer_l4 */
#define NET_DPU_OWES_TSO 32u       /* TCP segmentation, segment_size bytes each */
#define NET_DPU_OWES_USO 64u       /* UDP segmentation */
#define NET_DPU_IS_TUNNEL 128u     /* l3 and l4 are those inside a tunnel */
#define NET_DPU_STAGED 256u        /* the buffer is the shim's staging memory: what leaves is copied, nothing is kept */

struct net_dpu_sent {
  struct net_dpu_buffer buffer;
  uint32_t flags;
  /* Offsets from the frame's first byte; only looked at where a flag names them. */
  uint16_t outer_l3, outer_l4, inner_l2, l3, l4;
  uint16_t segment_size;
  uint16_t headers; /* bytes in front of the payload that segmentation cuts */
};

/* States of a checksum, as Device's ChecksumKnowledge. */
#define NET_DPU_UNKNOWN 0
#define NET_DPU_GOOD 1
#define NET_DPU_BAD 2

/* A frame for one of the host's ports. */
struct net_dpu_received {
  struct net_dpu_buffer buffer;
  uint16_t port;  /* which of the device's ethdevs, from 0 on */
  uint16_t queue; /* when has_queue; else the port spreads by the hash */
  uint8_t has_queue;
  uint8_t has_mark;
  uint8_t is_tunnel;
  uint8_t has_restore; /* a tunnel's key and group behind a jump hold */
  uint8_t outer_l3, outer_l4, inner_l3, inner_l4; /* states */
  uint8_t tunnel_removed;
  uint32_t mark;
  uint32_t hash;
  uint32_t group;
  uint32_t tunnel_key;
};

/* What the shim offers the device; called with `context`, only from within a net_dpu_* call. */
struct net_dpu_host {
  void *context;
  /* Copies `length` bytes into a fresh buffer of port `port` and describes it; 0 when there is none. A copy that needs
   * several buffers gets `room` 0. */
  int (*copy)(void *context, uint16_t port, const uint8_t *bytes, uint32_t length, struct net_dpu_buffer *out);
  /* Takes a buffer back. */
  void (*free)(void *context, void *cookie);
  /* Takes a frame for a port. */
  void (*receive)(void *context, const struct net_dpu_received *frame);
};

/* A device: made from devargs ("key=value,..."), or NULL with words in `message` (NET_DPU_MESSAGE bytes). */
void *net_dpu_attach(const char *arguments, const char *plugin_folder, const struct net_dpu_host *host, char *message);
void net_dpu_detach(void *device);

/* What a device is, after it was made. */
struct net_dpu_facts {
  uint16_t ports; /* ethdevs: the physical function, then representors, then virtual functions */
  uint16_t virtual_functions;
  uint16_t mtu;
  uint8_t rx_checksum, rx_outer_checksum, tx_checksum, tx_outer_ipv4, tx_outer_udp, tx_tso, tx_uso, tx_tunnel_tso;
  uint8_t resume_point;
  uint8_t polls_wire; /* frames may come without anyone sending one */
  uint8_t link_up;
};
void net_dpu_facts(void *device, struct net_dpu_facts *facts);

/* Software sends `count` frames at ethdev `port` at time `now` (nanoseconds). Every buffer is the device's then. */
void net_dpu_send(void *device, uint16_t port, uint64_t now, const struct net_dpu_sent *frames, uint32_t count);
/* Takes what the wire has, at most `most` frames; how many there were. */
uint32_t net_dpu_poll_wire(void *device, uint64_t now, uint32_t most);

/* One item of a pattern. Kinds are numbered in net_dpu_item_kind; sizes are those of the header that spec holds. */
enum net_dpu_item_kind {
  NET_DPU_ITEM_UNKNOWN = 0,
  NET_DPU_ITEM_VOID,
  NET_DPU_ITEM_ETH,
  NET_DPU_ITEM_VLAN,
  NET_DPU_ITEM_IPV4,
  NET_DPU_ITEM_IPV6,
  NET_DPU_ITEM_UDP,
  NET_DPU_ITEM_TCP,
  NET_DPU_ITEM_ICMP,
  NET_DPU_ITEM_ICMP6,
  NET_DPU_ITEM_GENEVE,
  NET_DPU_ITEM_GENEVE_OPT,
  NET_DPU_ITEM_VXLAN,
  NET_DPU_ITEM_GRE,
  NET_DPU_ITEM_GRE_KEY,
  NET_DPU_ITEM_NVGRE,
  NET_DPU_ITEM_ESP,
  NET_DPU_ITEM_REPRESENTED_PORT, /* spec_bits and mask_bits: the ethdev */
  NET_DPU_ITEM_PORT_REPRESENTOR,
};

struct net_dpu_item {
  uint32_t kind;
  uint32_t number; /* the library's own, for words about unknown ones */
  /* The header's bytes, network order; NULL when the item has no spec. `mask` is never NULL where spec is not. */
  const uint8_t *spec, *last, *mask;
  uint32_t size;
  /* Bits beside the header: has_vlan, has_more_vlan, has_frag_ext (bit 0); other bits of the mask are refused. */
  uint32_t spec_bits, mask_bits;
  /* Geneve option: data and its mask, words in network order; NULL when there is none. */
  const uint8_t *data, *data_mask;
  uint32_t data_words;
};

enum net_dpu_action_kind {
  NET_DPU_ACTION_UNKNOWN = 0,
  NET_DPU_ACTION_VOID,
  NET_DPU_ACTION_COUNT,
  NET_DPU_ACTION_MARK,
  NET_DPU_ACTION_FLAG,
  NET_DPU_ACTION_AGE,
  NET_DPU_ACTION_RAW_DECAP,
  NET_DPU_ACTION_RAW_ENCAP,
  NET_DPU_ACTION_VXLAN_DECAP,
  NET_DPU_ACTION_VXLAN_ENCAP, /* bytes: the header built from the items */
  NET_DPU_ACTION_NVGRE_DECAP,
  NET_DPU_ACTION_NVGRE_ENCAP,
  NET_DPU_ACTION_SET_MAC_SRC,
  NET_DPU_ACTION_SET_MAC_DST,
  NET_DPU_ACTION_SET_IPV4_SRC,
  NET_DPU_ACTION_SET_IPV4_DST,
  NET_DPU_ACTION_SET_IPV6_SRC,
  NET_DPU_ACTION_SET_IPV6_DST,
  NET_DPU_ACTION_SET_TP_SRC,
  NET_DPU_ACTION_SET_TP_DST,
  NET_DPU_ACTION_SET_TTL,
  NET_DPU_ACTION_DEC_TTL,
  NET_DPU_ACTION_SET_IPV4_DSCP,
  NET_DPU_ACTION_SET_IPV6_DSCP,
  NET_DPU_ACTION_POP_VLAN,
  NET_DPU_ACTION_PUSH_VLAN,
  NET_DPU_ACTION_SET_VLAN_VID,
  NET_DPU_ACTION_SET_VLAN_PCP,
  NET_DPU_ACTION_SAMPLE, /* value: ratio; list */
  NET_DPU_ACTION_INDIRECT,
  NET_DPU_ACTION_JUMP,
  NET_DPU_ACTION_QUEUE,
  NET_DPU_ACTION_RSS, /* queues; value: level */
  NET_DPU_ACTION_DROP,
  NET_DPU_ACTION_PORT_ID, /* value: the ethdev */
  NET_DPU_ACTION_REPRESENTED_PORT,
  NET_DPU_ACTION_PORT_REPRESENTOR,
};

struct net_dpu_action {
  uint32_t kind;
  uint32_t number;
  uint64_t value; /* mark, timeout, port, group, queue, ratio ... */
  uint64_t context; /* age: what get_aged_flows tells; 0 for the rule itself */
  /* raw_encap, raw_decap: the header. set_*: the value, network order. NULL when there is none. */
  const uint8_t *bytes;
  uint32_t size;
  const uint16_t *queues;
  uint32_t queue_count;
  const struct net_dpu_action *list;
  uint32_t list_count;
};

struct net_dpu_rule {
  uint32_t group, priority;
  uint8_t ingress, egress, transfer;
  uint16_t port; /* the ethdev it was made on */
  uint16_t queues; /* receive queues of that ethdev */
  const struct net_dpu_item *pattern;
  uint32_t items;
  const struct net_dpu_action *actions;
  uint32_t action_count;
};

/* Why not: an errno, the part, and words that hold until the shim's next call. */
enum net_dpu_part { NET_DPU_PART_RULE = 0, NET_DPU_PART_ITEM, NET_DPU_PART_ACTION, NET_DPU_PART_ATTRIBUTE };
struct net_dpu_error {
  int number;
  uint32_t part;
  uint32_t index;
  char message[NET_DPU_MESSAGE];
};

struct net_dpu_count {
  uint64_t frames, bytes;
  uint64_t idle_seconds;
  uint8_t is_aged;
  uint8_t is_age; /* of a shared action: it is an age and no counter */
};

/* Rules. Each gives 0, or an errno with `error` filled in. */
int net_dpu_flow_validate(void *device, const struct net_dpu_rule *rule, uint64_t now, struct net_dpu_error *error);
int net_dpu_flow_create(
    void *device, const struct net_dpu_rule *rule, uint64_t now, uint32_t *id, struct net_dpu_error *error);
int net_dpu_flow_destroy(void *device, uint32_t id, uint64_t now, struct net_dpu_error *error);
int net_dpu_flow_query(
    void *device, uint32_t id, uint64_t now, int reset, struct net_dpu_count *count, struct net_dpu_error *error);
int net_dpu_flow_flush(void *device, uint16_t port, uint64_t now, struct net_dpu_error *error);
int net_dpu_flow_isolate(void *device, uint16_t port, int set);
/* Contexts of aged rules of a port not asked for yet (the id where the rule had none), at most `most`; with `most` 0 how many there are. Returns
 * how many. */
uint32_t net_dpu_flow_aged(void *device, uint16_t port, uint64_t now, uint64_t *contexts, uint32_t most);

/* Shared actions. */
int net_dpu_indirect_create(
    void *device, const struct net_dpu_action *action, uint16_t port, uint16_t queues, uint32_t *id, struct net_dpu_error *error);
int net_dpu_indirect_destroy(void *device, uint32_t id, struct net_dpu_error *error);
int net_dpu_indirect_query(
    void *device, uint32_t id, uint64_t now, struct net_dpu_count *count, struct net_dpu_error *error);

/* Ports. */
int net_dpu_set_mtu(void *device, uint16_t port, uint16_t mtu);
/* The device's own counters: fills `names` (NET_DPU_NAME bytes each) and `values` for at most `most` of them; returns how many
 * there are. Either may be NULL. */
#define NET_DPU_NAME 64
uint32_t net_dpu_statistics(void *device, char *names, uint64_t *values, uint32_t most);
/* Whether it answers. A device that was reset does not until net_dpu_recover; one that was removed never again. */
#define NET_DPU_ALIVE 0
#define NET_DPU_RESET 1
#define NET_DPU_REMOVED 2
int net_dpu_state(void *device);
int net_dpu_recover(void *device, uint64_t now);

#endif
