import Device
import HostInventory
import Memory

/// Frames whose next hop has no address yet, in order of arrival, bounded in all, for each tunnel end, and for each tenant:
/// one has at most as many as are free, so that others always find room.
struct HeldFrames: ~Copyable {
  /// Frames held at most.
  static let most = 512
  /// Frames held at most for one tunnel end.
  static let mostEach = 64
  /// Nanoseconds that a frame is held at most.
  static let patience: UInt64 = 3_000_000_000

  // Not private: see PortSet.
  struct Held: BitwiseCopyable {
    var frame = Frame()
    var remote: UInt128 = 0
    var since: UInt64 = 0
    var port = 0
    var tenant = -1
  }

  var held = FlatTable(repeating: Held(), count: Self.most)
  private(set) var count = 0

  /// Takes a frame in for the tunnel end `remote`; false when there are too many. `tenant` is -1 for none.
  mutating func hold(_ frame: Frame, remote: UInt128, port: Int, tenant: Int, now: UInt64) -> Bool {
    guard count < Self.most else { return false }
    var same = 0
    var own = 0
    for index in 0..<count {
      if held[index].remote == remote { same &+= 1 }
      if held[index].tenant == tenant { own &+= 1 }
    }
    guard same < Self.mostEach, tenant < 0 || own < Self.most &- count else { return false }
    held[count] = Held(frame: frame, remote: remote, since: now, port: port, tenant: tenant)
    count &+= 1
    return true
  }

  /// Frames that came in through this port.
  func count(from port: UInt16) -> Int { (0..<count).count { held[$0].frame.inPort == port } }

  /// Forgets all frames.
  mutating func removeAll() { count = 0 }

  /// Port `to` goes, and port `from` takes its index. Returns the frames that go with it: those to it, and those in buffers of
  /// `owner`, which is the one that goes.
  mutating func move(_ from: Int, to: Int, owner: UInt8) -> [Frame] {
    var gone: [Frame] = []
    var kept = 0
    for index in 0..<count {
      var one = held[index]
      if one.port == to || UInt8(truncatingIfNeeded: one.frame.token >> 24) == owner {
        gone.append(one.frame)
        continue
      }
      if one.port == from { one.port = to }
      held[kept] = one
      kept &+= 1
    }
    count = kept
    return gone
  }

  /// A frame that leaves.
  struct Released {
    var frame: Frame
    var port: Int
    var fate: Underlay.Fate
  }

  /// The frames whose time of waiting is over, in order of arrival; the others stay. `fate` is asked for each tunnel end.
  mutating func release(now: UInt64, _ fate: (UInt128, Int) -> Underlay.Fate) -> [Released] {
    var released: [Released] = []
    var kept = 0
    for index in 0..<count {
      let one = held[index]
      var answer = fate(one.remote, one.port)
      if answer == .wait, now >= one.since &+ Self.patience { answer = .refused(.nextHopTimeout) }
      if answer == .wait {
        held[kept] = one
        kept &+= 1
      } else {
        released.append(Released(frame: one.frame, port: one.port, fate: answer))
      }
    }
    count = kept
    return released
  }
}

extension Frame {
  /// The IP destination of a frame that was encapsulated, an IPv4 one as RFC 4291's mapped address; 0 when there is none.
  var outerDestination: UInt128 {
    let bytes = bytes
    var type = 12
    while type + 6 <= length, type < 20, bytes.u16(type) == 0x8100 || bytes.u16(type) == 0x88a8 { type += 4 }
    guard type + 22 <= length else { return 0 }
    switch bytes.u16(type) {
    case 0x0800: return 0xffff_0000_0000 | UInt128(bytes.u32(type + 18))
    case 0x86dd: return type + 42 <= length ? bytes.load(type + 26) : 0
    default: return 0
    }
  }

  /// Whether the frame's Ethernet destination is not known yet.
  @inline(__always)
  var hasNoNextHop: Bool { length >= 6 && bytes.u32(0) == 0 && bytes.u16(4) == 0 }

  /// Writes the Ethernet addresses.
  func setEthernet(destination: UInt64, source: UInt64) {
    guard length >= 14 else { return }
    bytes.store(UInt16(truncatingIfNeeded: destination >> 32), at: 0)
    bytes.store(UInt32(truncatingIfNeeded: destination), at: 2)
    bytes.store(UInt16(truncatingIfNeeded: source >> 32), at: 6)
    bytes.store(UInt32(truncatingIfNeeded: source), at: 8)
  }
}

extension IPAddress {
  /// 128 bits; an IPv4 address as RFC 4291's mapped one.
  var mapped: UInt128 {
    switch self {
    case .v4(let value): 0xffff_0000_0000 | UInt128(value)
    case .v6(let value): value
    }
  }
}
