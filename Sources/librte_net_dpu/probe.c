/* The vdev driver: net_dpu0,profile=...,wire=...: one device, and an ethdev for each of its ports. */
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>

#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>
#include <rte_version.h>

RTE_LOG_REGISTER_DEFAULT(net_dpu_logtype, NOTICE);

/* Where this plugin lies: profiles are looked for beside it. */
static void folder_of_plugin(char *out, size_t size) {
  Dl_info info;
  out[0] = 0;
  if (dladdr((void *)&shim_ops, &info) == 0 || info.dli_fname == NULL)
    return;
  char *path = realpath(info.dli_fname, NULL);
  char *end = path ? strrchr(path, '/') : NULL;
  if (end != NULL) {
    *end = 0;
    snprintf(out, size, "%s", path);
  }
  free(path);
}

static void register_restore(struct shim_device *device) {
  static const struct rte_mbuf_dynfield field = {
      .name = "net_dpu_restore", .size = sizeof(struct shim_restore), .align = __alignof__(struct shim_restore)};
  static const struct rte_mbuf_dynflag flag = {.name = "net_dpu_restore_valid"};
  device->restore_offset = rte_mbuf_dynfield_register(&field);
  int bit = rte_mbuf_dynflag_register(&flag);
  if (bit < 0)
    device->restore_offset = -1;
  else
    device->restore_flag = 1ull << bit;
}

static int add_port(struct rte_vdev_device *vdev, struct shim_device *device, uint16_t number) {
  char name[RTE_ETH_NAME_MAX_LEN];
  const char *base = rte_vdev_device_name(vdev);
  unsigned functions = device->facts.virtual_functions;
  if (number == 0)
    snprintf(name, sizeof name, "%s", base);
  else if (number <= functions)
    snprintf(name, sizeof name, "%s_representor_vf%u", base, number - 1);
  else
    snprintf(name, sizeof name, "%s_vf%u", base, number - functions - 1);
  struct rte_eth_dev *dev = rte_eth_dev_allocate(name);
  struct shim_port *port = rte_zmalloc(NULL, sizeof *port, RTE_CACHE_LINE_SIZE);
  void **link = rte_zmalloc(NULL, sizeof *link, 0);
  if (dev == NULL || port == NULL || link == NULL) {
    rte_free(port);
    rte_free(link);
    if (dev != NULL)
      rte_eth_dev_release_port(dev);
    return -ENOMEM;
  }
  port->device = device;
  port->number = number;
  port->ethdev = dev;
  port->address = (struct rte_ether_addr){{0x02, 0x64, 0x70, 0x75, (uint8_t)dev->data->port_id, (uint8_t)number}};
  device->port[number] = port;
  *link = port;
  dev->data->dev_private = link;
  dev->device = &vdev->device;
  dev->data->numa_node = vdev->device.numa_node;
  dev->data->mac_addrs = &port->address;
  dev->data->mtu = device->facts.mtu;
  dev->data->promiscuous = 1;
  dev->data->all_multicast = 1;
  dev->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
  if (number > 0 && number <= functions) {
    dev->data->dev_flags |= RTE_ETH_DEV_REPRESENTOR;
    dev->data->representor_id = number - 1;
    dev->data->backer_port_id = device->port[0]->ethdev->data->port_id;
  }
  dev->data->dev_link = (struct rte_eth_link){
      .link_speed = RTE_ETH_SPEED_NUM_100G,
      .link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
      .link_autoneg = RTE_ETH_LINK_FIXED,
      .link_status = RTE_ETH_LINK_DOWN};
  dev->dev_ops = &shim_ops;
  dev->rx_pkt_burst = shim_receive_burst;
  dev->tx_pkt_burst = shim_transmit_burst;
  rte_eth_dev_probing_finish(dev);
  return 0;
}

static int probe(struct rte_vdev_device *vdev) {
  /* Internal structures have no stable layout: only the version that the headers were taken from will do. */
  char built[64];
  snprintf(built, sizeof built, "%s %d.%02d.%d%s", RTE_VER_PREFIX, RTE_VER_YEAR, RTE_VER_MONTH, RTE_VER_MINOR, RTE_VER_SUFFIX);
  if (strcmp(rte_version(), built) != 0) {
    LOG(ERR, "built for %s, and the program runs %s: build it again with Tools/build-pmd\n", built, rte_version());
    return -EINVAL;
  }
  if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
    LOG(ERR, "the device lives in the primary process; a secondary one has no part in it\n");
    return -ENOTSUP;
  }
  if (vdev->device.numa_node == SOCKET_ID_ANY)
    vdev->device.numa_node = (int)rte_socket_id();
  struct shim_device *device = rte_zmalloc(NULL, sizeof *device, RTE_CACHE_LINE_SIZE);
  if (device == NULL)
    return -ENOMEM;
  device->staging = rte_malloc(NULL, SHIM_STAGING, RTE_CACHE_LINE_SIZE);
  char message[NET_DPU_MESSAGE], folder[4096];
  struct net_dpu_host host = shim_host;
  host.context = device;
  rte_spinlock_init(&device->gate);
  register_restore(device);
  folder_of_plugin(folder, sizeof folder);
  device->model = device->staging ? net_dpu_attach(rte_vdev_device_args(vdev), folder, &host, message) : NULL;
  if (device->model == NULL) {
    LOG(ERR, "%s: %s\n", rte_vdev_device_name(vdev), device->staging ? message : "no memory");
    rte_free(device->staging);
    rte_free(device);
    return -EINVAL;
  }
  device->name = rte_vdev_device_name(vdev);
  net_dpu_facts(device->model, &device->facts);
  for (uint16_t number = 0; number < device->facts.ports; number++) {
    /* The port is there before it counts: pollers of its siblings look at all that count. */
    int error = add_port(vdev, device, number);
    if (error != 0) {
      LOG(ERR, "%s: no room for ethdev %u of %u\n", rte_vdev_device_name(vdev), number + 1, device->facts.ports);
      if (number > 0)
        break;
      net_dpu_detach(device->model);
      rte_free(device->staging);
      rte_free(device);
      return error;
    }
    device->ports = number + 1;
  }
  return 0;
}

static int remove_device(struct rte_vdev_device *vdev) {
  uint16_t id, found[SHIM_PORTS];
  unsigned count = 0;
  RTE_ETH_FOREACH_DEV_OF(id, &vdev->device)
  if (count < SHIM_PORTS)
    found[count++] = id;
  while (count > 0)
    rte_eth_dev_close(found[--count]);
  return 0;
}

static struct rte_vdev_driver driver = {.probe = probe, .remove = remove_device};

RTE_PMD_REGISTER_VDEV(net_dpu, driver);
RTE_PMD_REGISTER_PARAM_STRING(
    net_dpu,
    "profile=<name> profiles=<folder> wire=loopback|shm:<name>|tap:<name>|pcap:<in>[:<out>] vfs=<n> rules=<n> "
    "faults=<list> seed=<n>");
