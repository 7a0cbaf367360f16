"""The house of DESIGN.md as data: who stands on which floor, and what each room may use of the world outside."""

# A floor imports only floors below it. Fractions are the half floors 1a and 1b.
FLOORS = {
    "CShim": 0, "CPcap": 0, "CNet": 0, "CSocket": 0, "CDPDK": 0, "CNetDPU": 0,
    "Wire": 1, "Memory": 1,
    "Virtqueue": 1.1, "VhostUser": 1.2,
    "Rules": 2, "IPsec": 2,
    "Device": 3,
    "DeviceBus": 3.5,
    "Classifier": 4, "EmulatedDevice": 4, "DeviceDriver": 4, "DPDKDevice": 4, "Ports": 4, "HostInventory": 4,
    "Datapath": 5, "Offload": 5,
    "Runtime": 5.5,
    "Control": 6,
    "dpuctl": 7, "dpud": 7, "dpu-device": 7, "NetDPU": 7,
    # Tools stand beside the house and may look at all of it.
    "CBench": 0, "CCounting": 0, "properties": 8, "benchmarks": 8, "live": 8, "ringpeer": 8,
}

# What may never be reached, not even through others, though its floor is lower.
FORBIDDEN = {
    "EmulatedDevice": {"Wire", "Classifier", "IPsec", "Datapath"},
}

# C targets that only some rooms see.
DOORS = {
    "CPcap": {"Ports"},
    "CNet": {"Ports", "HostInventory"},
    "CSocket": {"Control"},
    "CDPDK": {"DPDKDevice"},
    "CNetDPU": {"NetDPU"},
    "CBench": {"benchmarks"},
    "CCounting": {"properties"},
}

# Modules of the toolchain and the system that rooms may import. A room that is not here may import none.
SYSTEM = {
    "Memory": {"Glibc", "Musl", "Synchronization"},
    "Virtqueue": {"Glibc", "Musl", "Synchronization"},
    "VhostUser": {"Synchronization"},
    "Classifier": {"Glibc", "Musl", "Synchronization"},
    "Datapath": {"Synchronization"},
    "Ports": {"Glibc", "Musl"},
    "HostInventory": {"Glibc", "Musl"},
    "Runtime": {"Synchronization"},
    "Control": {"Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Musl", "Synchronization", "Yams"},
    "DeviceDriver": {"Glibc", "Musl"},
    "DPDKDevice": {"Glibc", "Musl"},
    "dpu-device": {"Glibc", "Musl"},
    "NetDPU": {"Glibc", "Musl"},
    "dpuctl": {"Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Musl", "ArgumentParser"},
    "dpud": {"Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Musl", "ArgumentParser"},
    "live": {"Dispatch", "Foundation", "Glibc", "Musl"},
    "ringpeer": {"Glibc", "Musl"},
    "properties": {"Dispatch", "Foundation", "Glibc", "Musl", "Synchronization"},
    "benchmarks": {"Dispatch", "Foundation", "Glibc", "Musl", "Synchronization"},
}
TESTS_SYSTEM = {"Dispatch", "Foundation", "Glibc", "Musl", "Synchronization", "Testing"}

# Rooms whose memory a peer may write: each word is read once, by an atomic load (DESIGN.md, Distrust).
SHARED_MEMORY = ["Memory", "Virtqueue", "VhostUser"]
