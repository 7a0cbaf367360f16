import Classifier
import Device
import Memory
import Rules
import Wire

// Frames of flows that the cache knows: no parsing and no search, the same result.
extension Datapath {
  /// Keeps what is done with this frame's flow.
  @inline(never)
  mutating func learn(_ frame: Frame, _ index: Int, _ hit: RuleHit, _ program: RuleProgram, rest: UInt64) {
    let inPort = Int(inPorts[index])
    let isUplink = ports.entries[inPort].kind == .uplink
    let port = ports.entries[Int(program.port)]
    var entry = FlowEntry()
    (entry.index, entry.rule) = (hit.index, reader.id(of: hit))
    (entry.counts, entry.ages) = (program.counts, program.ages)
    (entry.port, entry.mtu) = (port.id, port.mtu)
    switch program.shape {
    case .encapPort where !isUplink:
      entry.way = templates.templates[Int(program.template)].isPlain ? .plainEncap : .encap
      entry.template = program.template
      entry.entropy = templates.templates[Int(program.template)].port(FlowHash.hash(frame.bytes, stacks[index].outer))
    case .decapPort where stacks[index].hasSoundTunnel && stacks[index].tunnelProtocol == 0x6558:
      guard Decapsulator.isAsked(frame.bytes, stacks[index], program.kind) else { return }
      let sum = frame.bytes.load(Int(stacks[index].outer.l4) + 6, as: UInt16.self)
      entry.way = sum == 0 || frame.checksums[.outerL4] == .good ? .plainDecap : .decap
      entry.kind = program.kind
      entry.tunnelKey = stacks[index].tunnelKey
    case .port where !isUplink:
      entry.way = .port
    default: return
    }
    if cache.learn(frame, stacks[index], inPort: inPort, uplink: isUplink, entry, flows, but: rest) {
      statistics.learned &+= 1
    }
  }

  /// Carries out what the cache knows, or, when something is out of the ordinary, what the rules say.
  @inline(__always)
  mutating func carryOutKnown(
    _ burst: inout FrameBurst, _ index: Int, _ entry: UnsafePointer<FlowEntry>, _ out: inout EmissionBurst
  ) {
    // Not a switch: its table of jumps costs more than two tests that go the same way most of the time.
    let way = unsafe entry.pointee.way
    let isDone: Bool
    if way == .encap || way == .plainEncap {
      isDone = unsafe encapKnown(burst, index, entry, &out)
    } else if way == .decap || way == .plainDecap {
      isDone = unsafe decapKnown(burst, index, entry, &out)
    } else {
      isDone = unsafe portKnown(burst, index, entry, &out)
    }
    if !isDone { enter(&burst[index], out: &out) }
  }

  @inline(__always)
  func countKnown(_ entry: UnsafePointer<FlowEntry>, length: Int) {
    let hit = unsafe reader.resumed(index: entry.pointee.index, payload: 0)
    if unsafe entry.pointee.counts {
      reader.count(hit, bytes: length)
    } else if unsafe entry.pointee.ages {
      reader.touch(hit)
    }
  }

  /// [count] encap port.
  @inline(__always)
  private mutating func encapKnown(
    _ burst: borrowing FrameBurst, _ index: Int, _ entry: UnsafePointer<FlowEntry>, _ out: inout EmissionBurst
  ) -> Bool {
    let template = unsafe templates.templates.place(Int(entry.pointee.template)).assumingMemoryBound(
      to: HeaderTemplate.self)
    let length = burst[index].length
    let padded = unsafe Int(template.pointee.padded)
    guard unsafe Int(template.pointee.overhead) &+ length <= Int(entry.pointee.mtu), burst[index].headroom >= padded,
      length &+ padded <= 0xffff, unsafe out.append(burst, index, port: entry.pointee.port)
    else { return false }
    unsafe countKnown(entry, length: length)
    let bytes = unsafe UnsafeMutableRawPointer(burst[index].bytes.unsafeBase)
    let carried = unsafe CarriedFacts(bytes, entry.pointee.outer)
    unsafe wrap(
      &out[out.count &- 1].frame, Int(entry.pointee.template), carried, entropy: entry.pointee.entropy,
      rule: entry.pointee.rule)
    return true
  }

  /// [count] decap port.
  @inline(__always)
  private mutating func decapKnown(
    _ burst: borrowing FrameBurst, _ index: Int, _ entry: UnsafePointer<FlowEntry>, _ out: inout EmissionBurst
  ) -> Bool {
    let bytes = unsafe UnsafeMutableRawPointer(burst[index].bytes.unsafeBase)
    let l4 = unsafe Int(entry.pointee.outer.l4)
    let end = unsafe l4 &+ load16(bytes, l4 &+ 4)
    guard unsafe isOuterSound(burst[index], bytes, entry, end: end),
      unsafe entry.pointee.inner.total(bytes) <= Int(entry.pointee.mtu),
      unsafe combineECN(burst[index], bytes, entry),
      unsafe out.append(burst, index, port: entry.pointee.port)
    else { return false }
    unsafe countKnown(entry, length: burst[index].length)
    unsafe out[out.count &- 1].frame.unwrap(
      Int(entry.pointee.innerStart), end, rule: entry.pointee.rule, tunnelKey: entry.pointee.tunnelKey)
    return true
  }

  /// D3; false also when the frame is to be dropped.
  @inline(__always)
  private func combineECN(
    _ frame: borrowing Frame, _ bytes: UnsafeMutableRawPointer, _ entry: UnsafePointer<FlowEntry>
  ) -> Bool {
    let tos = unsafe bytes.load(fromByteOffset: Int(entry.pointee.outer.l3) &+ 1, as: UInt8.self)
    let marked = unsafe (entry.pointee.outer.isIPv6 ? tos >> 4 : tos) & 3
    guard marked != 0 else { return true }
    let (l3, isIPv6) = unsafe (Int(entry.pointee.inner.l3), entry.pointee.inner.isIPv6)
    return Decapsulator.combineECN(frame.bytes, l3, isIPv6: isIPv6, outer: marked)
  }

  /// D1 for a flow's frame, in part: false also for what has to be looked at more closely.
  @inline(__always)
  private func isOuterSound(
    _ frame: borrowing Frame, _ bytes: UnsafeRawPointer, _ entry: UnsafePointer<FlowEntry>, end: Int
  ) -> Bool {
    let (l3, l4) = unsafe (Int(entry.pointee.outer.l3), Int(entry.pointee.outer.l4))
    let isIPv6 = unsafe entry.pointee.outer.isIPv6
    let known = frame.checksums
    guard unsafe l3 &+ entry.pointee.outer.total(bytes) == end else { return false }
    if !isIPv6 {
      let state = known[.outerL3]
      if state == .bad { return false }
      if state != .good, !(unsafe isHeaderValid(bytes + l3)) { return false }
    }
    if unsafe load16(bytes, l4 &+ 6) == 0 { return !isIPv6 || policy.acceptsZeroUDPChecksumIPv6 }
    let state = known[.outerL4]
    if state == .good { return true }
    return state == .bad ? false : Decapsulator.isUDPValid(frame.bytes, l3: l3, l4: l4, isIPv6: isIPv6, end: end)
  }

  /// The checksum of an IPv4 header of 20 bytes: the sum does not depend on the byte order.
  @inline(__always)
  func isHeaderValid(_ header: UnsafeRawPointer) -> Bool {
    let first = unsafe header.loadUnaligned(as: UInt64.self)
    let second = unsafe header.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    let third = unsafe header.loadUnaligned(fromByteOffset: 16, as: UInt32.self)
    let sum =
      (first & 0xffff_ffff) &+ (first >> 32) &+ (second & 0xffff_ffff) &+ (second >> 32) &+ UInt64(third)
    return InternetChecksum.isValid(InternetChecksum.fold(sum))
  }

  /// [count] port.
  @inline(__always)
  private mutating func portKnown(
    _ burst: borrowing FrameBurst, _ index: Int, _ entry: UnsafePointer<FlowEntry>, _ out: inout EmissionBurst
  ) -> Bool {
    let bytes = unsafe UnsafeRawPointer(burst[index].bytes.unsafeBase)
    guard unsafe entry.pointee.outer.total(bytes) <= Int(entry.pointee.mtu),
      unsafe out.append(burst, index, port: entry.pointee.port)
    else { return false }
    unsafe countKnown(entry, length: burst[index].length)
    unsafe mark(&out[out.count &- 1].frame, rule: entry.pointee.rule)
    return true
  }

  @inline(__always)
  private func mark(_ frame: inout Frame, rule: UInt32) {
    frame.steps.insert(.match)
    frame.rule = rule
    frame.outcome = .forward
  }
}

extension CarriedFacts {
  /// Of the IP header of a flow's frame.
  @inline(__always)
  init(_ bytes: UnsafeRawPointer, _ level: LevelCheck) {
    let l3 = unsafe bytes + Int(level.l3)
    if level.isIPv6 {
      tos = UInt8(truncatingIfNeeded: unsafe load16(l3, 0) >> 4)
      ttl = unsafe l3.load(fromByteOffset: 7, as: UInt8.self)
    } else {
      tos = unsafe l3.load(fromByteOffset: 1, as: UInt8.self)
      ttl = unsafe l3.load(fromByteOffset: 8, as: UInt8.self)
      df = unsafe l3.load(fromByteOffset: 6, as: UInt8.self) & 0x40 != 0
    }
  }
}
