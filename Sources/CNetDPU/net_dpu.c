#include "net_dpu.h"
/* The numbers are shared with Swift's ChecksumKnowledge.State and TunnelKind: nothing to run here. */
_Static_assert(NET_DPU_BAD == 2, "as ChecksumKnowledge.State");
