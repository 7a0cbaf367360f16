public import HostInventory
public import Memory

/// Questions and answers about addresses: ARP (RFC 826) and neighbour discovery (RFC 4861), as whole frames.
public enum NeighbourMessages {
  /// What a frame says about a neighbour.
  public enum Word: Equatable, Sendable {
    /// This address is at this Ethernet address.
    case isAt(IPAddress, mac: UInt64)
    /// Somebody with these addresses asks for the first one.
    case asks(IPAddress, from: IPAddress, mac: UInt64)
    /// A neighbour answered without saying where it is.
    case answered(IPAddress)
  }

  /// Reads a frame; nil for one that is no such message, or one that the RFCs say to be silent about.
  public static func read(_ bytes: Bytes) -> [Word] {
    guard bytes.count >= 42 else { return [] }
    switch bytes.u16(12) {
    case 0x0806: return readARP(bytes)
    case 0x86dd: return readDiscovery(bytes)
    default: return []
    }
  }

  /// Whether a frame may be such a message: by its type alone.
  @inline(__always)
  public static func mayBe(_ bytes: Bytes) -> Bool {
    guard bytes.count >= 42 else { return false }
    let type = bytes.u16(12)
    return type == 0x0806 || type == 0x86dd && bytes[20] == 58
  }

  private static func readARP(_ bytes: Bytes) -> [Word] {
    // Ethernet, IPv4, 6 and 4 bytes.
    guard bytes.u32(14) == 0x0001_0800, bytes.u16(18) == 0x0604 else { return [] }
    let mac = number(bytes, 22)
    let sender = bytes.u32(28)
    let target = bytes.u32(38)
    switch bytes.u16(20) {
    case 1:
      // A probe (RFC 5227) has no sender yet.
      guard sender != 0 else { return [.asks(.v4(target), from: .v4(0), mac: mac)] }
      return [.isAt(.v4(sender), mac: mac), .asks(.v4(target), from: .v4(sender), mac: mac)]
    case 2: return sender == 0 ? [] : [.isAt(.v4(sender), mac: mac)]
    default: return []
    }
  }

  private static func readDiscovery(_ bytes: Bytes) -> [Word] {
    let length = Int(bytes.u16(18))
    // Hop limit 255, code 0, a right checksum (RFC 4861 sections 7.1.1 and 7.1.2).
    guard bytes[14] >> 4 == 6, bytes[20] == 58, bytes[21] == 255, length >= 24, 54 + length <= bytes.count,
      bytes[55] == 0, checksum(bytes, length) == 0
    else { return [] }
    let target: UInt128 = bytes.load(62)
    guard target >> 120 != 0xff else { return [] }
    let source: UInt128 = bytes.load(22)
    var options: [UInt8: UInt64] = [:]
    var at = 78
    while at < 54 + length {
      guard at + 8 <= 54 + length, bytes[at + 1] > 0, at + Int(bytes[at + 1]) * 8 <= 54 + length else { return [] }
      options[bytes[at]] = number(bytes, at + 2)
      at += Int(bytes[at + 1]) * 8
    }
    if bytes[54] == 135 {
      // Without a source it is somebody who looks whether the address is free.
      guard source != 0 else { return [.asks(.v6(target), from: .v6(0), mac: number(bytes, 6))] }
      guard let mac = options[1] else { return [.asks(.v6(target), from: .v6(source), mac: number(bytes, 6))] }
      return [.isAt(.v6(source), mac: mac), .asks(.v6(target), from: .v6(source), mac: mac)]
    }
    guard bytes[54] == 136 else { return [] }
    if let mac = options[2] { return [.isAt(.v6(target), mac: mac)] }
    // Solicited.
    return bytes[58] & 0x40 != 0 ? [.answered(.v6(target))] : []
  }

  /// A question for `target`: to everybody, or to `mac` alone.
  public static func question(_ target: IPAddress, mac: UInt64, from source: IPAddress, sender: UInt64) -> [UInt8] {
    switch target {
    case .v4: return arp(1, to: mac == 0 ? 0xffff_ffff_ffff : mac, sender, source, 0, target)
    case .v6(let value):
      // The solicited-node group, and its Ethernet address.
      let group = UInt128(0xff02) << 112 | UInt128(0x1_ff00_0000) | value & 0xff_ffff
      let ethernet = 0x3333_0000_0000 | UInt64(truncatingIfNeeded: group & 0xffff_ffff)
      return discovery(
        135, 0, to: mac == 0 ? ethernet : mac, sender, source, mac == 0 ? .v6(group) : target, target, option: 1)
    }
  }

  /// The answer that `address` is at `sender`, to who asked.
  public static func answer(_ address: IPAddress, sender: UInt64, to asker: IPAddress, mac: UInt64) -> [UInt8] {
    switch address {
    case .v4: return arp(2, to: mac, sender, address, mac, asker)
    case .v6:
      // To somebody without an address: to all nodes, not solicited.
      let isAnonymous = asker == .v6(0)
      let all = IPAddress.v6(UInt128(0xff02) << 112 | 1)
      return discovery(
        136, isAnonymous ? 0x2000_0000 : 0x6000_0000, to: isAnonymous ? 0x3333_0000_0001 : mac, sender, address,
        isAnonymous ? all : asker, address, option: 2)
    }
  }

  private static func arp(
    _ operation: UInt8, to mac: UInt64, _ sender: UInt64, _ source: IPAddress, _ targetMAC: UInt64, _ target: IPAddress
  ) -> [UInt8] {
    six(mac) + six(sender) + [8, 6, 0, 1, 8, 0, 6, 4, 0, operation] + six(sender) + source.bytes + six(targetMAC)
      + target.bytes
  }

  private static func discovery(
    _ type: UInt8, _ flags: UInt32, to mac: UInt64, _ sender: UInt64, _ source: IPAddress, _ destination: IPAddress,
    _ target: IPAddress, option: UInt8
  ) -> [UInt8] {
    var frame = six(mac) + six(sender) + [0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255] + source.bytes
    frame += destination.bytes + [type, 0, 0, 0] + (0..<4).map { UInt8(truncatingIfNeeded: flags >> (24 - 8 * $0)) }
    frame += target.bytes + [option, 1] + six(sender)
    let sum = checksum(frame.count, 32) { frame[$0] }
    frame[56] = UInt8(truncatingIfNeeded: sum >> 8)
    frame[57] = UInt8(truncatingIfNeeded: sum)
    return frame
  }

  private static func checksum(_ bytes: Bytes, _ length: Int) -> UInt16 {
    checksum(bytes.count, length) { bytes[$0] }
  }

  /// Over the pseudo-header and `length` bytes of message; 0 for one that has its checksum and is right.
  private static func checksum(_ count: Int, _ length: Int, _ byte: (Int) -> UInt8) -> UInt16 {
    var sum = UInt64(length) + 58
    for place in 22..<54 + length { sum += UInt64(byte(place)) << (place & 1 == 0 ? 8 : 0) }
    while sum > 0xffff { sum = sum >> 16 + sum & 0xffff }
    return ~UInt16(truncatingIfNeeded: sum)
  }

  private static func number(_ bytes: Bytes, _ place: Int) -> UInt64 {
    UInt64(bytes.u16(place)) << 32 | UInt64(bytes.u32(place + 2))
  }

  private static func six(_ mac: UInt64) -> [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: mac >> (40 - 8 * $0)) } }
}
