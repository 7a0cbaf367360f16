/* rte_flow's operations: the device is asked, its answers are the library's. */
#include "shim.h"

/* What the last refusal said; the library keeps a pointer to it. */
static __thread char words[NET_DPU_MESSAGE];

int shim_refuse(
    struct rte_flow_error *error, int number, enum rte_flow_error_type type, const void *cause, const char *why) {
  snprintf(words, sizeof words, "%s", why);
  return rte_flow_error_set(error, number, type, cause, words);
}

/* The device's no as the library's. */
static int told(
    struct rte_flow_error *error, const struct net_dpu_error *why, const struct rte_flow_item *items,
    const struct rte_flow_action *actions) {
  switch (why->part) {
  case NET_DPU_PART_ITEM:
    return shim_refuse(error, why->number, RTE_FLOW_ERROR_TYPE_ITEM, items ? &items[why->index] : NULL, why->message);
  case NET_DPU_PART_ACTION:
    return shim_refuse(error, why->number, RTE_FLOW_ERROR_TYPE_ACTION, actions ? &actions[why->index] : NULL, why->message);
  case NET_DPU_PART_ATTRIBUTE:
    return shim_refuse(error, why->number, RTE_FLOW_ERROR_TYPE_ATTR, NULL, why->message);
  default:
    return shim_refuse(error, why->number, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, why->message);
  }
}

/* A rule is its id: nothing of the application's is followed as a pointer. */
static struct rte_flow *flow_of(uint32_t id) { return (struct rte_flow *)(uintptr_t)id; }
static uint32_t id_of(const void *flow) {
  uintptr_t value = (uintptr_t)flow;
  return value > UINT32_MAX ? 0 : (uint32_t)value;
}

static int validate(
    struct rte_eth_dev *dev, const struct rte_flow_attr *attr, const struct rte_flow_item items[],
    const struct rte_flow_action actions[], struct rte_flow_error *error) {
  struct shim_port *port = shim_port_of(dev);
  struct net_dpu_rule rule;
  struct net_dpu_error why;
  int bad = shim_read_rule(port, attr, items, actions, &rule, error);
  if (bad)
    return bad;
  shim_enter(port->device);
  bad = net_dpu_flow_validate(port->device->model, &rule, shim_now(), &why);
  shim_leave(port->device);
  return bad ? told(error, &why, items, actions) : 0;
}

static struct rte_flow *create(
    struct rte_eth_dev *dev, const struct rte_flow_attr *attr, const struct rte_flow_item items[],
    const struct rte_flow_action actions[], struct rte_flow_error *error) {
  struct shim_port *port = shim_port_of(dev);
  struct net_dpu_rule rule;
  struct net_dpu_error why;
  uint32_t id = 0;
  if (shim_read_rule(port, attr, items, actions, &rule, error))
    return NULL;
  shim_enter(port->device);
  int bad = net_dpu_flow_create(port->device->model, &rule, shim_now(), &id, &why);
  shim_leave(port->device);
  if (bad) {
    told(error, &why, items, actions);
    return NULL;
  }
  return flow_of(id);
}

static int destroy(struct rte_eth_dev *dev, struct rte_flow *flow, struct rte_flow_error *error) {
  struct shim_device *device = shim_port_of(dev)->device;
  struct net_dpu_error why;
  shim_enter(device);
  int bad = net_dpu_flow_destroy(device->model, id_of(flow), shim_now(), &why);
  shim_leave(device);
  return bad ? told(error, &why, NULL, NULL) : 0;
}

static int flush(struct rte_eth_dev *dev, struct rte_flow_error *error) {
  struct shim_port *port = shim_port_of(dev);
  struct net_dpu_error why;
  shim_enter(port->device);
  int bad = net_dpu_flow_flush(port->device->model, port->number, shim_now(), &why);
  shim_leave(port->device);
  return bad ? told(error, &why, NULL, NULL) : 0;
}

static void answer(const struct net_dpu_count *count, struct rte_flow_query_count *out) {
  out->hits_set = out->bytes_set = 1;
  out->hits = count->frames;
  out->bytes = count->bytes;
}

static void answer_age(const struct net_dpu_count *count, struct rte_flow_query_age *out) {
  out->aged = count->is_aged;
  out->sec_since_last_hit_valid = 1;
  out->sec_since_last_hit = (uint32_t)RTE_MIN(count->idle_seconds, (uint64_t)0xffffff);
}

static int query(
    struct rte_eth_dev *dev, struct rte_flow *flow, const struct rte_flow_action *action, void *data,
    struct rte_flow_error *error) {
  struct shim_device *device = shim_port_of(dev)->device;
  struct net_dpu_error why;
  struct net_dpu_count count;
  if (action == NULL || data == NULL)
    return shim_refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "query: action or data is NULL");
  for (; action->type != RTE_FLOW_ACTION_TYPE_END; action++) {
    if (action->type == RTE_FLOW_ACTION_TYPE_VOID)
      continue;
    if (action->type != RTE_FLOW_ACTION_TYPE_COUNT && action->type != RTE_FLOW_ACTION_TYPE_AGE)
      return shim_refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, action, "query: only count and age can be asked");
    int reset = action->type == RTE_FLOW_ACTION_TYPE_COUNT && ((struct rte_flow_query_count *)data)->reset;
    shim_enter(device);
    int bad = net_dpu_flow_query(device->model, id_of(flow), shim_now(), reset, &count, &why);
    shim_leave(device);
    if (bad)
      return told(error, &why, NULL, NULL);
    if (action->type == RTE_FLOW_ACTION_TYPE_COUNT)
      answer(&count, data);
    else
      answer_age(&count, data);
  }
  return 0;
}

static int isolate(struct rte_eth_dev *dev, int set, struct rte_flow_error *error) {
  struct shim_port *port = shim_port_of(dev);
  shim_enter(port->device);
  int bad = net_dpu_flow_isolate(port->device->model, port->number, set);
  shim_leave(port->device);
  return bad ? shim_refuse(error, bad, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "isolate: there is no such port") : 0;
}

static int aged(struct rte_eth_dev *dev, void **contexts, uint32_t most, struct rte_flow_error *error) {
  struct shim_port *port = shim_port_of(dev);
  uint64_t found[256];
  if (contexts == NULL && most > 0)
    return shim_refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "get_aged_flows: contexts is NULL");
  uint32_t told_so_far = 0;
  do {
    uint32_t part = RTE_MIN(most - told_so_far, (uint32_t)RTE_DIM(found));
    shim_enter(port->device);
    uint32_t got = net_dpu_flow_aged(port->device->model, port->number, shim_now(), found, part);
    shim_leave(port->device);
    if (most == 0)
      return (int)got;
    for (uint32_t i = 0; i < got; i++)
      contexts[told_so_far++] = (void *)(uintptr_t)found[i];
    if (got < part)
      break;
  } while (told_so_far < most);
  return (int)told_so_far;
}

static struct rte_flow_action_handle *share(
    struct rte_eth_dev *dev, const struct rte_flow_indir_action_conf *conf, const struct rte_flow_action *action,
    struct rte_flow_error *error) {
  (void)conf;
  struct shim_port *port = shim_port_of(dev);
  struct net_dpu_error why;
  struct net_dpu_action read;
  uint32_t id = 0;
  if (action == NULL) {
    shim_refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, NULL, "there is no action");
    return NULL;
  }
  shim_read_action(port, action, &read);
  shim_enter(port->device);
  int bad = net_dpu_indirect_create(port->device->model, &read, port->number, port->rx_queues, &id, &why);
  shim_leave(port->device);
  if (bad) {
    told(error, &why, NULL, action);
    return NULL;
  }
  return (struct rte_flow_action_handle *)(uintptr_t)id;
}

static int unshare(struct rte_eth_dev *dev, struct rte_flow_action_handle *handle, struct rte_flow_error *error) {
  struct shim_device *device = shim_port_of(dev)->device;
  struct net_dpu_error why;
  shim_enter(device);
  int bad = net_dpu_indirect_destroy(device->model, id_of(handle), &why);
  shim_leave(device);
  return bad ? told(error, &why, NULL, NULL) : 0;
}

static int query_shared(
    struct rte_eth_dev *dev, const struct rte_flow_action_handle *handle, void *data, struct rte_flow_error *error) {
  struct shim_device *device = shim_port_of(dev)->device;
  struct net_dpu_error why;
  struct net_dpu_count count;
  if (data == NULL)
    return shim_refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "query: data is NULL");
  shim_enter(device);
  int bad = net_dpu_indirect_query(device->model, id_of(handle), shim_now(), &count, &why);
  shim_leave(device);
  if (bad)
    return told(error, &why, NULL, NULL);
  if (count.is_age)
    answer_age(&count, data);
  else
    answer(&count, data);
  return 0;
}

/* Tunnel offload: the private action removes the tunnel; the private item list is empty, because a decapsulated frame
 * that missed is matched again by its inner headers. */
static int decap_set(
    struct rte_eth_dev *dev, struct rte_flow_tunnel *tunnel, struct rte_flow_action **actions, uint32_t *count,
    struct rte_flow_error *error) {
  (void)dev;
  static const struct rte_flow_action vxlan = {.type = RTE_FLOW_ACTION_TYPE_VXLAN_DECAP};
  static const struct rte_flow_action nvgre = {.type = RTE_FLOW_ACTION_TYPE_NVGRE_DECAP};
  /* Without data a raw_decap of more than an Ethernet header removes the tunnel that the pattern matches. */
  static const struct rte_flow_action_raw_decap whole = {.data = NULL, .size = 50};
  static const struct rte_flow_action raw = {.type = RTE_FLOW_ACTION_TYPE_RAW_DECAP, .conf = &whole};
  const struct rte_flow_action *chosen = NULL;
  if (tunnel->type == RTE_FLOW_ITEM_TYPE_VXLAN)
    chosen = &vxlan;
  else if (tunnel->type == RTE_FLOW_ITEM_TYPE_NVGRE)
    chosen = &nvgre;
  else if (tunnel->type == RTE_FLOW_ITEM_TYPE_GENEVE || tunnel->type == RTE_FLOW_ITEM_TYPE_GRE)
    chosen = &raw;
  if (chosen == NULL)
    return shim_refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "tunnel offload: vxlan, nvgre, geneve or gre");
  *actions = (struct rte_flow_action *)(uintptr_t)chosen;
  *count = 1;
  return 0;
}

static int tunnel_match(
    struct rte_eth_dev *dev, struct rte_flow_tunnel *tunnel, struct rte_flow_item **items, uint32_t *count,
    struct rte_flow_error *error) {
  (void)dev, (void)tunnel, (void)error;
  static const struct rte_flow_item nothing = {.type = RTE_FLOW_ITEM_TYPE_VOID};
  *items = (struct rte_flow_item *)(uintptr_t)&nothing;
  *count = 1;
  return 0;
}

static int restore_info(
    struct rte_eth_dev *dev, struct rte_mbuf *m, struct rte_flow_restore_info *info, struct rte_flow_error *error) {
  struct shim_device *device = shim_port_of(dev)->device;
  memset(info, 0, sizeof *info);
  if (device->restore_offset < 0 || (m->ol_flags & device->restore_flag) == 0)
    return shim_refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "the frame did not miss behind a jump");
  const struct shim_restore *restore = RTE_MBUF_DYNFIELD(m, device->restore_offset, struct shim_restore *);
  info->flags = RTE_FLOW_RESTORE_INFO_GROUP_ID;
  info->group_id = restore->group;
  if (restore->key_and_flags >> 31) {
    info->flags |= RTE_FLOW_RESTORE_INFO_TUNNEL;
    info->tunnel.tun_id = restore->key_and_flags & 0xffffff;
  }
  return 0;
}

static int release_actions(struct rte_eth_dev *dev, struct rte_flow_action *actions, uint32_t count, struct rte_flow_error *error) {
  (void)dev, (void)actions, (void)count, (void)error;
  return 0;
}

static int release_items(struct rte_eth_dev *dev, struct rte_flow_item *items, uint32_t count, struct rte_flow_error *error) {
  (void)dev, (void)items, (void)count, (void)error;
  return 0;
}

static int proxy(struct rte_eth_dev *dev, uint16_t *id, struct rte_flow_error *error) {
  const struct rte_eth_dev *uplink = shim_port_of(dev)->device->port[0]->ethdev;
  if (uplink == NULL)
    return shim_refuse(error, ENODEV, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "the physical function was closed");
  *id = uplink->data->port_id;
  return 0;
}

const struct rte_flow_ops shim_flow_ops = {
    .validate = validate,
    .create = create,
    .destroy = destroy,
    .flush = flush,
    .query = query,
    .isolate = isolate,
    .get_aged_flows = aged,
    .action_handle_create = share,
    .action_handle_destroy = unshare,
    .action_handle_query = query_shared,
    .tunnel_decap_set = decap_set,
    .tunnel_match = tunnel_match,
    .get_restore_info = restore_info,
    .tunnel_action_decap_release = release_actions,
    .tunnel_item_release = release_items,
    .pick_transfer_proxy = proxy,
};
