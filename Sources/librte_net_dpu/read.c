/* rte_flow's lists as the plain structs that the device reads. */
#include "shim.h"

#define ITEMS 64
#define ACTIONS 64
#define HEADER 512

/* Memory for one rule on its way: what its structs point to. */
struct scratch {
  struct net_dpu_item items[ITEMS];
  struct net_dpu_action actions[ACTIONS];
  struct net_dpu_action samples[ACTIONS];
  uint8_t headers[2][HEADER];
  unsigned headers_used, samples_used;
};

static __thread struct scratch scratch;

struct item_shape {
  enum rte_flow_item_type type;
  uint32_t kind, size;
  const void *mask;
};

static const struct item_shape shapes[] = {
    {RTE_FLOW_ITEM_TYPE_VOID, NET_DPU_ITEM_VOID, 0, NULL},
    {RTE_FLOW_ITEM_TYPE_ETH, NET_DPU_ITEM_ETH, 14, &rte_flow_item_eth_mask},
    {RTE_FLOW_ITEM_TYPE_VLAN, NET_DPU_ITEM_VLAN, 4, &rte_flow_item_vlan_mask},
    {RTE_FLOW_ITEM_TYPE_IPV4, NET_DPU_ITEM_IPV4, 20, &rte_flow_item_ipv4_mask},
    {RTE_FLOW_ITEM_TYPE_IPV6, NET_DPU_ITEM_IPV6, 40, &rte_flow_item_ipv6_mask},
    {RTE_FLOW_ITEM_TYPE_UDP, NET_DPU_ITEM_UDP, 8, &rte_flow_item_udp_mask},
    {RTE_FLOW_ITEM_TYPE_TCP, NET_DPU_ITEM_TCP, 20, &rte_flow_item_tcp_mask},
    {RTE_FLOW_ITEM_TYPE_ICMP, NET_DPU_ITEM_ICMP, 8, &rte_flow_item_icmp_mask},
    {RTE_FLOW_ITEM_TYPE_ICMP6, NET_DPU_ITEM_ICMP6, 4, &rte_flow_item_icmp6_mask},
    {RTE_FLOW_ITEM_TYPE_GENEVE, NET_DPU_ITEM_GENEVE, 8, &rte_flow_item_geneve_mask},
    {RTE_FLOW_ITEM_TYPE_GENEVE_OPT, NET_DPU_ITEM_GENEVE_OPT, 4, &rte_flow_item_geneve_opt_mask},
    {RTE_FLOW_ITEM_TYPE_VXLAN, NET_DPU_ITEM_VXLAN, 8, &rte_flow_item_vxlan_mask},
    {RTE_FLOW_ITEM_TYPE_GRE, NET_DPU_ITEM_GRE, 4, &rte_flow_item_gre_mask},
    {RTE_FLOW_ITEM_TYPE_NVGRE, NET_DPU_ITEM_NVGRE, 8, &rte_flow_item_nvgre_mask},
    {RTE_FLOW_ITEM_TYPE_ESP, NET_DPU_ITEM_ESP, 8, &rte_flow_item_esp_mask},
};
static const rte_be32_t key_mask = RTE_BE32(0xffffffff);
static const struct item_shape key_shape = {RTE_FLOW_ITEM_TYPE_GRE_KEY, NET_DPU_ITEM_GRE_KEY, 4, &key_mask};

static const struct item_shape *shape_of(enum rte_flow_item_type type) {
  if (type == RTE_FLOW_ITEM_TYPE_GRE_KEY)
    return &key_shape;
  for (unsigned i = 0; i < RTE_DIM(shapes); i++)
    if (shapes[i].type == type)
      return &shapes[i];
  return NULL;
}

/* Bits beside the header, the one that is understood first. */
static uint32_t bits_of(enum rte_flow_item_type type, const void *header) {
  switch (type) {
  case RTE_FLOW_ITEM_TYPE_ETH: {
    const struct rte_flow_item_eth *eth = header;
    return eth->has_vlan | (uint32_t)eth->reserved << 1;
  }
  case RTE_FLOW_ITEM_TYPE_VLAN: {
    const struct rte_flow_item_vlan *vlan = header;
    return vlan->has_more_vlan | (uint32_t)vlan->reserved << 1;
  }
  case RTE_FLOW_ITEM_TYPE_IPV6: {
    const struct rte_flow_item_ipv6 *ip = header;
    return ip->has_frag_ext | (uint32_t)ip->has_hop_ext << 1 | (uint32_t)ip->has_route_ext << 2 |
           (uint32_t)ip->has_auth_ext << 3 | (uint32_t)ip->has_esp_ext << 4 | (uint32_t)ip->has_dest_ext << 5 |
           (uint32_t)ip->has_mobil_ext << 6 | (uint32_t)ip->has_hip_ext << 7 | (uint32_t)ip->has_shim6_ext << 8;
  }
  default:
    return 0;
  }
}

/* Items that name a port: the device's own number, or 0xffff when the port is none of its own. */
static void port_item(const struct shim_device *device, const struct rte_flow_item *item, struct net_dpu_item *out) {
  const struct rte_flow_item_ethdev *spec = item->spec, *mask = item->mask;
  out->kind = item->type == RTE_FLOW_ITEM_TYPE_PORT_REPRESENTOR ? NET_DPU_ITEM_PORT_REPRESENTOR
                                                                 : NET_DPU_ITEM_REPRESENTED_PORT;
  if (spec == NULL)
    return;
  int number = item->type == RTE_FLOW_ITEM_TYPE_PORT_ID
                   ? shim_number_of(device, ((const struct rte_flow_item_port_id *)item->spec)->id)
                   : shim_number_of(device, spec->port_id);
  /* A window has to be there where there is a spec; nothing of it is read. */
  out->spec = out->mask = (const uint8_t *)item->spec;
  out->spec_bits = number < 0 ? 0xffff : (uint32_t)number;
  out->mask_bits = item->type == RTE_FLOW_ITEM_TYPE_PORT_ID || mask == NULL ? 0xffff : mask->port_id;
}

static void read_item(const struct shim_device *device, const struct rte_flow_item *item, struct net_dpu_item *out) {
  memset(out, 0, sizeof *out);
  out->number = (uint32_t)item->type;
  if (item->type == RTE_FLOW_ITEM_TYPE_PORT_ID || item->type == RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT ||
      item->type == RTE_FLOW_ITEM_TYPE_PORT_REPRESENTOR) {
    port_item(device, item, out);
    return;
  }
  const struct item_shape *shape = shape_of(item->type);
  if (shape == NULL)
    return;
  const void *mask = item->mask ? item->mask : shape->mask;
  out->kind = shape->kind;
  out->size = shape->size;
  out->spec = item->spec;
  out->last = item->last;
  out->mask = mask;
  if (item->spec == NULL)
    return;
  out->spec_bits = bits_of(item->type, item->spec);
  out->mask_bits = bits_of(item->type, mask);
  if (item->type == RTE_FLOW_ITEM_TYPE_GENEVE_OPT) {
    const struct rte_flow_item_geneve_opt *option = item->spec, *masked = mask;
    out->data = (const uint8_t *)option->data;
    out->data_mask = (const uint8_t *)masked->data;
    out->data_words = option->data ? option->option_len & 0x1f : 0;
  }
}

/* The header of vxlan_encap and nvgre_encap, from their items. */
static int header_of(const struct rte_flow_item *items, uint8_t *out, uint32_t *size) {
  uint32_t at = 0;
  uint8_t *ethertype = NULL, *protocol = NULL;
  for (unsigned n = 0; items != NULL && items->type != RTE_FLOW_ITEM_TYPE_END && n < 16; items++, n++) {
    const struct item_shape *shape = shape_of(items->type);
    if (shape == NULL || at + 40 > HEADER)
      return 0;
    if (shape->size == 0)
      continue;
    uint8_t *here = out + at;
    if (items->spec != NULL)
      memcpy(here, items->spec, shape->size);
    else
      memset(here, 0, shape->size);
    uint16_t type = 0;
    switch (items->type) {
    case RTE_FLOW_ITEM_TYPE_ETH:
      ethertype = here + 12;
      break;
    case RTE_FLOW_ITEM_TYPE_VLAN:
      type = RTE_ETHER_TYPE_VLAN;
      break;
    case RTE_FLOW_ITEM_TYPE_IPV4:
      type = RTE_ETHER_TYPE_IPV4;
      here[0] = RTE_IPV4_VHL_DEF;
      protocol = here + 9;
      break;
    case RTE_FLOW_ITEM_TYPE_IPV6:
      type = RTE_ETHER_TYPE_IPV6;
      here[0] = (uint8_t)(0x60 | (here[0] & 0xf));
      protocol = here + 6;
      break;
    case RTE_FLOW_ITEM_TYPE_UDP:
      if (protocol != NULL && *protocol == 0)
        *protocol = IPPROTO_UDP;
      if (here[2] == 0 && here[3] == 0) {
        here[2] = RTE_VXLAN_DEFAULT_PORT >> 8;
        here[3] = RTE_VXLAN_DEFAULT_PORT & 0xff;
      }
      break;
    case RTE_FLOW_ITEM_TYPE_VXLAN:
      here[0] |= 0x08;
      break;
    case RTE_FLOW_ITEM_TYPE_NVGRE:
      if (protocol != NULL && *protocol == 0)
        *protocol = IPPROTO_GRE;
      here[0] = 0x20;
      here[1] = 0;
      here[2] = 0x65;
      here[3] = 0x58;
      break;
    default:
      break;
    }
    if (type != 0 && ethertype != NULL) {
      if (ethertype[0] == 0 && ethertype[1] == 0) {
        ethertype[0] = (uint8_t)(type >> 8);
        ethertype[1] = (uint8_t)type;
      }
      ethertype = items->type == RTE_FLOW_ITEM_TYPE_VLAN ? here + 2 : NULL;
    }
    at += shape->size;
  }
  *size = at;
  /* More items than a header can have are none. */
  return at > 0 && items->type == RTE_FLOW_ITEM_TYPE_END;
}

static void read_actions(
    const struct shim_device *device, const struct rte_flow_action *list, struct net_dpu_action *out, uint32_t *count, int depth);

static void read_conf(const struct shim_device *device, const struct rte_flow_action *action, struct net_dpu_action *out, int depth) {
  const void *conf = action->conf;
  switch ((int)action->type) {
#define FIELD(TYPE, KIND, STRUCT, VALUE)                                                                               \
  case RTE_FLOW_ACTION_TYPE_##TYPE: {                                                                                  \
    const struct STRUCT *c = conf;                                                                                     \
    out->kind = NET_DPU_ACTION_##KIND;                                                                                 \
    if (c != NULL)                                                                                                     \
      out->value = (VALUE);                                                                                            \
    break;                                                                                                             \
  }
#define BYTES(TYPE, KIND, STRUCT, MEMBER)                                                                              \
  case RTE_FLOW_ACTION_TYPE_##TYPE: {                                                                                  \
    const struct STRUCT *c = conf;                                                                                     \
    out->kind = NET_DPU_ACTION_##KIND;                                                                                 \
    if (c != NULL) {                                                                                                   \
      out->bytes = (const uint8_t *)&c->MEMBER;                                                                        \
      out->size = sizeof c->MEMBER;                                                                                    \
    }                                                                                                                  \
    break;                                                                                                             \
  }
#define BARE(TYPE, KIND)                                                                                               \
  case RTE_FLOW_ACTION_TYPE_##TYPE:                                                                                    \
    out->kind = NET_DPU_ACTION_##KIND;                                                                                 \
    break;
    BARE(VOID, VOID)
    BARE(FLAG, FLAG)
    BARE(DROP, DROP)
    BARE(VXLAN_DECAP, VXLAN_DECAP)
    BARE(NVGRE_DECAP, NVGRE_DECAP)
    BARE(DEC_TTL, DEC_TTL)
    BARE(OF_POP_VLAN, POP_VLAN)
    FIELD(COUNT, COUNT, rte_flow_action_count, c->id)
    FIELD(MARK, MARK, rte_flow_action_mark, c->id)
    FIELD(QUEUE, QUEUE, rte_flow_action_queue, c->index)
    FIELD(JUMP, JUMP, rte_flow_action_jump, c->group)
    FIELD(SET_TTL, SET_TTL, rte_flow_action_set_ttl, c->ttl_value)
    FIELD(SET_IPV4_DSCP, SET_IPV4_DSCP, rte_flow_action_set_dscp, c->dscp)
    FIELD(SET_IPV6_DSCP, SET_IPV6_DSCP, rte_flow_action_set_dscp, c->dscp)
    FIELD(OF_PUSH_VLAN, PUSH_VLAN, rte_flow_action_of_push_vlan, rte_be_to_cpu_16(c->ethertype))
    FIELD(OF_SET_VLAN_VID, SET_VLAN_VID, rte_flow_action_of_set_vlan_vid, rte_be_to_cpu_16(c->vlan_vid))
    FIELD(OF_SET_VLAN_PCP, SET_VLAN_PCP, rte_flow_action_of_set_vlan_pcp, c->vlan_pcp)
    FIELD(PORT_ID, PORT_ID, rte_flow_action_port_id,
          c->original ? UINT16_MAX : (uint64_t)(int64_t)shim_number_of(device, c->id))
    FIELD(REPRESENTED_PORT, REPRESENTED_PORT, rte_flow_action_ethdev, (uint64_t)(int64_t)shim_number_of(device, c->port_id))
    FIELD(PORT_REPRESENTOR, PORT_REPRESENTOR, rte_flow_action_ethdev, (uint64_t)(int64_t)shim_number_of(device, c->port_id))
    BYTES(SET_MAC_SRC, SET_MAC_SRC, rte_flow_action_set_mac, mac_addr)
    BYTES(SET_MAC_DST, SET_MAC_DST, rte_flow_action_set_mac, mac_addr)
    BYTES(SET_IPV4_SRC, SET_IPV4_SRC, rte_flow_action_set_ipv4, ipv4_addr)
    BYTES(SET_IPV4_DST, SET_IPV4_DST, rte_flow_action_set_ipv4, ipv4_addr)
    BYTES(SET_IPV6_SRC, SET_IPV6_SRC, rte_flow_action_set_ipv6, ipv6_addr)
    BYTES(SET_IPV6_DST, SET_IPV6_DST, rte_flow_action_set_ipv6, ipv6_addr)
    BYTES(SET_TP_SRC, SET_TP_SRC, rte_flow_action_set_tp, port)
    BYTES(SET_TP_DST, SET_TP_DST, rte_flow_action_set_tp, port)
  case RTE_FLOW_ACTION_TYPE_AGE: {
    const struct rte_flow_action_age *c = conf;
    out->kind = NET_DPU_ACTION_AGE;
    if (c != NULL) {
      out->value = c->timeout;
      out->context = (uintptr_t)c->context;
    }
    break;
  }
  case RTE_FLOW_ACTION_TYPE_RAW_DECAP: {
    const struct rte_flow_action_raw_decap *c = conf;
    out->kind = NET_DPU_ACTION_RAW_DECAP;
    if (c != NULL) {
      out->bytes = c->data;
      out->size = (uint32_t)RTE_MIN(c->size, (size_t)UINT32_MAX);
    }
    break;
  }
  case RTE_FLOW_ACTION_TYPE_RAW_ENCAP: {
    const struct rte_flow_action_raw_encap *c = conf;
    out->kind = NET_DPU_ACTION_RAW_ENCAP;
    if (c != NULL) {
      out->bytes = c->data;
      out->size = (uint32_t)RTE_MIN(c->size, (size_t)UINT32_MAX);
    }
    break;
  }
  case RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP:
  case RTE_FLOW_ACTION_TYPE_NVGRE_ENCAP: {
    /* Both are one pointer to items. */
    const struct rte_flow_action_vxlan_encap *c = conf;
    out->kind = action->type == RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP ? NET_DPU_ACTION_VXLAN_ENCAP : NET_DPU_ACTION_NVGRE_ENCAP;
    if (c != NULL && scratch.headers_used < RTE_DIM(scratch.headers)) {
      uint8_t *header = scratch.headers[scratch.headers_used++];
      if (header_of(c->definition, header, &out->size))
        out->bytes = header;
    }
    break;
  }
  case RTE_FLOW_ACTION_TYPE_RSS: {
    const struct rte_flow_action_rss *c = conf;
    out->kind = NET_DPU_ACTION_RSS;
    if (c != NULL) {
      out->queues = c->queue;
      out->queue_count = c->queue_num;
      out->value = c->level;
    }
    break;
  }
  case RTE_FLOW_ACTION_TYPE_SAMPLE: {
    const struct rte_flow_action_sample *c = conf;
    out->kind = NET_DPU_ACTION_SAMPLE;
    if (c != NULL && depth == 0 && scratch.samples_used == 0) {
      out->value = c->ratio;
      out->list = scratch.samples;
      read_actions(device, c->actions, scratch.samples, &out->list_count, 1);
      scratch.samples_used = 1;
    }
    break;
  }
  case RTE_FLOW_ACTION_TYPE_INDIRECT:
    out->kind = NET_DPU_ACTION_INDIRECT;
    out->value = (uintptr_t)conf;
    break;
  default:
    break;
  }
#undef FIELD
#undef BYTES
#undef BARE
}

static void read_actions(
    const struct shim_device *device, const struct rte_flow_action *list, struct net_dpu_action *out, uint32_t *count, int depth) {
  *count = 0;
  for (; list != NULL && list->type != RTE_FLOW_ACTION_TYPE_END && *count < ACTIONS; list++) {
    memset(&out[*count], 0, sizeof *out);
    out[*count].number = (uint32_t)list->type;
    read_conf(device, list, &out[*count], depth);
    (*count)++;
  }
}

int shim_read_rule(
    const struct shim_port *port, const struct rte_flow_attr *attr, const struct rte_flow_item *items,
    const struct rte_flow_action *actions, struct net_dpu_rule *out, struct rte_flow_error *error) {
  memset(out, 0, sizeof *out);
  scratch.headers_used = scratch.samples_used = 0;
  if (attr == NULL || items == NULL || actions == NULL)
    return shim_refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "attributes, pattern or actions are NULL");
  out->group = attr->group;
  out->priority = attr->priority;
  out->ingress = attr->ingress;
  out->egress = attr->egress;
  out->transfer = attr->transfer;
  out->port = port->number;
  out->queues = port->rx_queues;
  unsigned n = 0;
  for (; items[n].type != RTE_FLOW_ITEM_TYPE_END; n++) {
    if (n == ITEMS)
      return shim_refuse(error, E2BIG, RTE_FLOW_ERROR_TYPE_ITEM_NUM, NULL, "more than 64 items");
    read_item(port->device, &items[n], &scratch.items[n]);
  }
  out->pattern = scratch.items;
  out->items = n;
  read_actions(port->device, actions, scratch.actions, &out->action_count, 0);
  if (actions[out->action_count].type != RTE_FLOW_ACTION_TYPE_END)
    return shim_refuse(error, E2BIG, RTE_FLOW_ERROR_TYPE_ACTION_NUM, NULL, "more than 64 actions");
  out->actions = scratch.actions;
  return 0;
}

void shim_read_action(const struct shim_port *port, const struct rte_flow_action *action, struct net_dpu_action *out) {
  memset(out, 0, sizeof *out);
  out->number = (uint32_t)action->type;
  scratch.headers_used = scratch.samples_used = 0;
  read_conf(port->device, action, out, 1);
}
