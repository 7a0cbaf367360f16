import Device
import Memory

/// R1–R3. Every change keeps the checksums that cover it right by RFC 1624, so that a wrong one stays wrong.
extension Work {
  /// Writes a 16-bit word of the IPv4 header and keeps the header checksum.
  func setIPv4Word(_ at: Int, _ now: UInt16) {
    let l3 = parsed.outer.l3
    let was = bytes.u16(at)
    bytes.store(now, at: at)
    bytes.store(Sum.updated(bytes.u16(l3 + 10), was: was, now: now), at: l3 + 10)
  }

  /// Keeps the transport checksum after a covered word changed; ICMP over IPv4 covers no address.
  private func keepTransport(was: UInt16, now: UInt16) {
    let l4 = parsed.outer.l4
    let place: Int
    switch parsed.outer.transport {
    case .tcp: place = l4 + 16
    case .udp: place = l4 + 6
    case .icmp6: place = l4 + 2
    case .none, .icmp, .gre, .esp: return
    }
    let old = bytes.u16(place)
    let isUDP = parsed.outer.transport == .udp
    if isUDP && old == 0 { return }
    let new = Sum.updated(old, was: was, now: now)
    bytes.store(isUDP && new == 0 ? 0xffff : new, at: place)
  }

  /// Sets an address of an IP header word by word; `source` holds the new one from `from` on.
  mutating func setAddress(_ at: Int, _ source: Bytes, _ from: Int, words: Int) {
    var word = 0
    while word < words {
      let was = bytes.u16(at + 2 * word)
      let now = source.u16(from + 2 * word)
      if parsed.outer.isIPv6 {
        bytes.store(now, at: at + 2 * word)
      } else {
        setIPv4Word(at + 2 * word, now)
      }
      if parsed.outer.l4 >= 0 { keepTransport(was: was, now: now) }
      word += 1
    }
    steps.insert(.rewrite)
  }

  /// Sets a TCP or UDP port; `place` 0 is the source, 2 the destination, by which a tunnel is known (P7, A2).
  mutating func setPort(_ place: Int, _ now: UInt16, _ settings: Settings) {
    guard parsed.outer.transport == .tcp || parsed.outer.transport == .udp else { return }
    let at = parsed.outer.l4 + place
    let was = bytes.u16(at)
    bytes.store(now, at: at)
    keepTransport(was: was, now: now)
    steps.insert(.rewrite)
    parse(settings)
  }

  /// Sets TTL or hop limit.
  mutating func setTTL(_ ttl: UInt8) {
    let l3 = parsed.outer.l3
    guard l3 >= 0 else { return }
    if parsed.outer.isIPv6 {
      bytes[l3 + 7] = ttl
    } else {
      setIPv4Word(l3 + 8, UInt16(ttl) << 8 | UInt16(bytes[l3 + 9]))
    }
    steps.insert(.rewrite)
  }

  /// R2.
  mutating func decrementTTL() throws(Exception) {
    let l3 = parsed.outer.l3
    guard l3 >= 0 else { return }
    let ttl = parsed.outer.isIPv6 ? bytes[l3 + 7] : bytes[l3 + 8]
    guard ttl > 1 else { throw .drop(.ttlExpired) }
    setTTL(ttl - 1)
  }

  /// Sets the traffic class or TOS byte.
  func setClass(_ value: UInt8, l3: Int, isIPv6: Bool) {
    if isIPv6 {
      bytes.store(bytes.u16(l3) & 0xf00f | UInt16(value) << 4, at: l3)
    } else {
      let was = bytes.u16(l3)
      let now = was & 0xff00 | UInt16(value)
      bytes.store(now, at: l3)
      bytes.store(Sum.updated(bytes.u16(l3 + 10), was: was, now: now), at: l3 + 10)
    }
  }

  /// The traffic class or TOS byte.
  func trafficClass(l3: Int, isIPv6: Bool) -> UInt8 {
    isIPv6 ? UInt8(truncatingIfNeeded: bytes.u16(l3) >> 4) : bytes[l3 + 1]
  }

  /// Sets the DSCP of a header of that version.
  mutating func setDSCP(_ dscp: UInt8, isIPv6: Bool) {
    let l3 = parsed.outer.l3
    guard l3 >= 0, parsed.outer.isIPv6 == isIPv6 else { return }
    setClass(dscp << 2 | trafficClass(l3: l3, isIPv6: isIPv6) & 3, l3: l3, isIPv6: isIPv6)
    steps.insert(.rewrite)
  }

  /// Sets an Ethernet address; `place` 0 is the destination, 6 the source.
  mutating func setMAC(_ place: Int, _ source: Bytes, _ from: Int) {
    guard hasEthernet else { return }
    bytes.copy(source.slice(from, count: 6), at: place)
    steps.insert(.rewrite)
  }

  /// R3: the outermost tag goes.
  mutating func popVLAN(_ settings: Settings) {
    guard hasEthernet, parsed.outer.tags > 0 else { return }
    bytes.copy(bytes.slice(0, count: 12), at: 4)
    start += 4
    steps.insert(.rewrite)
    parse(settings)
  }

  /// R3: a tag of priority 0 and id 0 behind the addresses.
  mutating func pushVLAN(_ tpid: UInt16, _ settings: Settings) throws(Exception) {
    guard hasEthernet else { return }
    guard start >= 4, length + 4 <= 65_535 else { throw .drop(.noHeadroom) }
    start -= 4
    bytes.copy(bytes.slice(4, count: 12), at: 0)
    bytes.store(tpid, at: 12)
    bytes.store(UInt16(0), at: 14)
    steps.insert(.rewrite)
    parse(settings)
  }

  /// R3: the bits of `mask` in the outermost tag's TCI.
  mutating func setTCI(_ value: UInt16, mask: UInt16) {
    guard hasEthernet, parsed.outer.tags > 0 else { return }
    let at = parsed.outer.tci(0)
    bytes.store(bytes.u16(at) & ~mask | value & mask, at: at)
    steps.insert(.rewrite)
  }
}
