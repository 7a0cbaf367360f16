import Datapath
import Device
import Memory

/// The Internet checksum as slowly as RFC 1071 says it: the oracle.
func slowSum(_ bytes: some Sequence<UInt8>, _ start: UInt32 = 0) -> UInt32 {
  var sum = start
  var high = true
  for byte in bytes {
    sum += high ? UInt32(byte) << 8 : UInt32(byte)
    while sum > 0xffff { sum -= 0xffff }
    high.toggle()
  }
  return sum
}

func be16(_ value: Int) -> [UInt8] { [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)] }
func be32(_ value: UInt32) -> [UInt8] { be16(Int(value >> 16)) + be16(Int(value & 0xffff)) }

/// SplitMix64: the same numbers from the same seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
}

/// A frame described by what is in it; bytes are made the plain way, with no code of the runtime's.
struct TestPacket {
  enum Tunnel: Equatable, Sendable {
    case none
    case geneve(options: Int)
    case geneveIP(options: Int)
    case vxlan
    case gre(key: Bool, checksum: Bool)
    case greIP(key: Bool, checksum: Bool)
    case nvgre

    static let all: [Tunnel] = [
      .none, .geneve(options: 0), .geneve(options: 8), .geneve(options: 252), .geneveIP(options: 32), .vxlan,
      .gre(key: false, checksum: false), .gre(key: true, checksum: false), .gre(key: false, checksum: true),
      .gre(key: true, checksum: true), .greIP(key: false, checksum: false), .greIP(key: true, checksum: true), .nvgre,
    ]
    var isUDP: Bool {
      switch self {
      case .geneve, .geneveIP, .vxlan: true
      default: false
      }
    }
    var carriesIP: Bool {
      switch self {
      case .geneveIP, .greIP: true
      default: false
      }
    }
    var hasGREChecksum: Bool {
      switch self {
      case .gre(_, let checksum), .greIP(_, let checksum): checksum
      default: false
      }
    }
  }

  var tunnel = Tunnel.none
  var outerIPv6 = false
  var innerIPv6 = false
  var isTCP = true
  var tags = 0
  var innerTags = 0
  var outerUDPChecksum = true
  var tcpOptions: [UInt8] = []
  var ipOptions: [UInt8] = []
  /// Extension headers of an inner IPv6 packet and the type of the first; the last one's type byte is the transport's.
  var extensions: [UInt8] = []
  var extensionType: UInt8 = 0
  /// What the pseudo-header has in place of the destination.
  var finalDestination: [UInt8] = []
  var vni: UInt32 = 0x1234
  var ports: (UInt16, UInt16) = (40000, 443)
  var sequence: UInt32 = 0xffff_f000
  var ack: UInt32 = 77
  var window = 512
  var flags: UInt8 = 0x10
  var innerID = 0xfffe
  var outerID = 0x1000
  var innerDF = false
  var ttl: UInt8 = 61
  var payload: [UInt8] = []
  /// Checksums as in a frame that owes segmentation: the pseudo-header's sum inside, 0 outside.
  var owes = false

  /// Where things are, as found while the bytes were made.
  struct Made {
    var bytes: [UInt8]
    var outerL3 = 0
    var outerL4 = 0
    var innerL2 = 0
    var innerL3 = 0
    var innerL4 = 0
    var headers = 0
  }

  private func ethernet(_ tags: Int, _ seed: UInt8, type: Int) -> [UInt8] {
    var bytes: [UInt8] = [2, 0, 0, 0, seed, 1, 2, 0, 0, 0, seed, 2]
    for tag in 0..<tags { bytes += (tags == 2 && tag == 0 ? [0x88, 0xa8] : [0x81, 0]) + be16(100 + tag) }
    return bytes + be16(type)
  }

  private func ip(v6: Bool, proto: UInt8, length: Int, seed: UInt8, id: Int, df: Bool, options: [UInt8] = []) -> [UInt8]
  {
    if v6 {
      let address: [UInt8] = [0xfd, 0, 0, seed] + Array(repeating: 0, count: 11)
      return [0x60, 0x10, 2, 3] + be16(length) + [proto, ttl] + address + [1] + address + [2]
    }
    let size = 20 + options.count
    var bytes: [UInt8] =
      [0x40 | UInt8(size / 4), 0x02] + be16(size + length) + be16(id & 0xffff) + [df ? 0x40 : 0, 0, ttl, proto, 0, 0]
      + [10, 0, seed, 1, 10, 0, seed, 2] + options
    let sum = be16(Int(~slowSum(bytes) & 0xffff))
    bytes[10] = sum[0]
    bytes[11] = sum[1]
    return bytes
  }

  private func pseudo(_ header: [UInt8], proto: UInt8, length: Int) -> UInt32 {
    let addresses = header[0] >> 4 == 6 ? header[8..<40] : header[12..<20]
    return slowSum(be16(length >> 16) + be16(length & 0xffff) + [0, proto], slowSum(addresses))
  }

  func make() -> Made {
    let proto: UInt8 = isTCP ? 6 : 17
    var l4: [UInt8] =
      be16(Int(ports.0)) + be16(Int(ports.1))
      + (isTCP
        ? be32(sequence) + be32(ack) + [UInt8((20 + tcpOptions.count) / 4) << 4, flags] + be16(window) + [0, 0, 0, 0]
          + tcpOptions : be16(8 + payload.count) + [0, 0])
    let l4Header = l4.count
    l4 += payload
    let hasTunnel = tunnel != .none
    var header = ip(
      v6: innerIPv6, proto: extensions.isEmpty ? proto : extensionType, length: extensions.count + l4.count,
      seed: hasTunnel ? 9 : 5, id: innerID, df: innerDF, options: innerIPv6 ? [] : ipOptions)
    var addressed = header
    if !finalDestination.isEmpty { addressed.replaceSubrange(24..<40, with: finalDestination) }
    header += extensions
    let base = pseudo(addressed, proto: proto, length: l4.count)
    let field = isTCP ? 16 : 6
    let full = ~slowSum(l4, base) & 0xffff
    let value = be16(Int(owes ? base : full == 0 && !isTCP ? 0xffff : full))
    l4[field] = value[0]
    l4[field + 1] = value[1]
    let innerType = innerIPv6 ? 0x86dd : 0x0800
    let carriesEthernet = !hasTunnel || !tunnel.carriesIP
    let l2 = carriesEthernet ? ethernet(hasTunnel ? innerTags : tags, hasTunnel ? 7 : 6, type: innerType) : []
    let inner = l2 + header + l4
    guard hasTunnel else {
      return Made(
        bytes: inner, outerL3: l2.count, outerL4: l2.count + header.count, headers: inner.count - payload.count)
    }
    let front = tunnelHeader(inner)
    let body = front + inner
    let outerProto: UInt8 = tunnel.isUDP ? 17 : 47
    let outer = ip(v6: outerIPv6, proto: outerProto, length: body.count, seed: 3, id: outerID, df: true)
    var all = ethernet(tags, 6, type: outerIPv6 ? 0x86dd : 0x0800) + outer
    var made = Made(bytes: [])
    made.outerL4 = all.count
    made.outerL3 = all.count - outer.count
    made.innerL2 = all.count + front.count
    made.innerL3 = made.innerL2 + l2.count
    made.innerL4 = made.innerL3 + header.count
    all += body
    if tunnel.isUDP && outerUDPChecksum && !owes {
      let sum = ~slowSum(body, pseudo(outer, proto: 17, length: body.count)) & 0xffff
      let bytes = be16(Int(sum == 0 ? 0xffff : sum))
      all[made.outerL4 + 6] = bytes[0]
      all[made.outerL4 + 7] = bytes[1]
    }
    made.headers = made.innerL4 + l4Header
    made.bytes = all
    return made
  }

  private func tunnelHeader(_ inner: [UInt8]) -> [UInt8] {
    let type = tunnel.carriesIP ? (innerIPv6 ? 0x86dd : 0x0800) : 0x6558
    func udp(_ port: Int, _ rest: [UInt8]) -> [UInt8] {
      be16(50000) + be16(port) + be16(8 + rest.count + inner.count) + [0, 0] + rest
    }
    func gre(_ key: Bool, _ checksum: Bool) -> [UInt8] {
      var bytes = be16((checksum ? 0x8000 : 0) | (key ? 0x2000 : 0)) + be16(type)
      if checksum { bytes += [0, 0, 0, 0] }
      if key { bytes += be32(vni) }
      if checksum && !owes {
        let sum = be16(Int(~slowSum(bytes + inner) & 0xffff))
        bytes[4] = sum[0]
        bytes[5] = sum[1]
      }
      return bytes
    }
    switch tunnel {
    case .none: return []
    case .geneve(let options), .geneveIP(let options):
      var list: [UInt8] = []
      while list.count < options {
        let words = min(31, (options - list.count) / 4 - 1)
        list += [1, 2, UInt8(list.count & 0x7f), UInt8(words)] + (0..<words * 4).map { UInt8(truncatingIfNeeded: $0) }
      }
      return udp(6081, [UInt8(options / 4), 0] + be16(type) + be32(vni << 8) + list)
    case .vxlan: return udp(4789, [8, 0, 0, 0] + be32(vni << 8))
    case .gre(let key, let checksum), .greIP(let key, let checksum): return gre(key, checksum)
    case .nvgre: return be16(0x2000) + be16(0x6558) + be32(vni << 8 | 5)
    }
  }

  /// The segments that this packet, cut into `size` bytes each, must become.
  func segments(size: Int) -> [TestPacket] {
    let count = max(1, (payload.count + size - 1) / size)
    return (0..<count).map { index in
      var piece = self
      piece.owes = false
      piece.payload = Array(payload[min(index * size, payload.count)..<min((index + 1) * size, payload.count)])
      piece.sequence = sequence &+ UInt32(index * size)
      piece.innerID = innerID + index
      piece.outerID = outerID + index
      if index > 0 { piece.flags &= 0x7f }
      if index < count - 1 { piece.flags &= ~0x09 }
      return piece
    }
  }

  /// A frame that owes being cut into `size` bytes each, in a buffer of `arena`.
  func owing(_ arena: inout FrameArena, size: Int) throws(DropReason) -> Frame {
    var packet = self
    packet.owes = true
    let made = packet.make()
    var frame = try frameOf(made.bytes, &arena)
    frame.segmentSize = UInt16(size)
    frame.segmentHeaderLength = made.headers
    frame.checksumStart = made.innerL4 > 0 ? made.innerL4 : made.outerL4
    frame.checksumOffset = isTCP ? 16 : 6
    frame.outerL3 = made.outerL3
    frame.outerL4 = made.outerL4
    frame.innerL2 = made.innerL2
    frame.innerL3 = made.innerL3
    frame.innerL4 = made.innerL4
    frame.owed = [.checksum, isTCP ? .tcpSegmentation : .udpSegmentation]
    if tunnel != .none { frame.owed.insert(.tunnelSegmentation) }
    if tunnel.isUDP && outerUDPChecksum { frame.owed.insert(.outerUDPChecksum) }
    return frame
  }
}

/// A frame of these bytes in a buffer of `arena`.
func frameOf(_ bytes: [UInt8], _ arena: inout FrameArena) throws(DropReason) -> Frame {
  let frame = try arena.takeFrame(length: bytes.count, owner: 1)
  frame.bytes.copy(bytes, at: 0)
  return frame
}

/// An arena whose buffers hold any frame.
func largeArena(_ capacity: Int = 64) throws -> FrameArena {
  try FrameArena(capacity: capacity, bufferSize: 66560, headroom: 384)
}
