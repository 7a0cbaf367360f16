import Device
import Memory
import Rules

/// V5, B1–B5: debts are paid on the device's own copy, within its abilities.
extension Model {
  /// Software sends a frame.
  mutating func transmit(_ frame: Frame, port: UInt16, emit: (Emission) -> Void) {
    guard isAlive else { return tally.add(.lost) }
    tally.add(.framesSent)
    var out = frame
    guard settings.port(port) != nil else {
      out.outcome = .dropped(.noSuchPort)
      return emit(Emission(frame: out, port: port))
    }
    out.outcome = .forward
    guard !frame.owed.isEmpty else { return emit(Emission(frame: out, port: port)) }
    works[0].load(frame.bytes, looksInside: false)
    do {
      guard canPay(frame.owed), frame.next == 0 else { throw Exception.drop(.malformedDebt) }
      let segmentation: Owed = [.tcpSegmentation, .udpSegmentation]
      if frame.owed.isDisjoint(with: segmentation) {
        try works[0].payChecksums(of: frame, settings)
        out.bytes.copy(works[0].bytes, at: 0)
        emit(Emission(frame: paid(out), port: port))
      } else {
        try segment(frame, port, emit)
      }
    } catch {
      tally.add(.refusedDebts)
      out.outcome = .dropped(.malformedDebt)
      emit(Emission(frame: out, port: port))
    }
  }

  /// Whether the device has the ability for every debt.
  private func canPay(_ owed: Owed) -> Bool {
    let can = abilities.frame
    let isTunnel = owed.contains(.tunnelSegmentation)
    if owed.contains(.tcpSegmentation), !can.contains(isTunnel ? .tunnelTSO : .tso) { return false }
    if owed.contains(.udpSegmentation), !can.contains(isTunnel ? [.tunnelTSO, .uso] : .uso) { return false }
    if !owed.isDisjoint(with: [.tcpSegmentation, .udpSegmentation]) { return true }
    if owed.contains(.checksum), !can.contains(.txChecksum) { return false }
    if owed.contains(.outerUDPChecksum), !can.contains(.txOuterUDPChecksum) { return false }
    return !owed.contains(.outerIPv4Checksum) || can.contains(.txOuterIPv4Checksum)
  }

  /// The record of a frame that owes nothing any more.
  func paid(_ frame: Frame) -> Frame {
    var out = frame
    out.owed = []
    out.segmentSize = 0
    out.steps.insert(.fillChecksum)
    return out
  }

  /// B3, B4: cuts the frame at hand into segments, each in the device's own buffer.
  private mutating func segment(_ frame: Frame, _ port: UInt16, _ emit: (Emission) -> Void) throws(Exception) {
    let cut = try Segmentation(works[0].bytes, frame, settings)
    var out = frame
    out.outcome = .forward
    if cut.count == 1 {
      works[1].load(works[0].bytes, looksInside: false)
      cut.write(0, from: works[0].bytes, to: &works[1])
      out.setLength(works[1].length)
      out.bytes.copy(works[1].bytes, at: 0)
      return emit(Emission(frame: paid(out), port: port))
    }
    var index = 0
    while index < cut.count {
      works[1].load(works[0].bytes.slice(0, count: cut.headers), looksInside: false)
      cut.write(index, from: works[0].bytes, to: &works[1])
      var piece = frame.movedRecord(to: works[1].buffer, headroom: works[1].start, length: works[1].length)
      piece.outcome = .forward
      piece = paid(piece)
      tally.add(.segments)
      emit(Emission(frame: piece, port: port))
      index += 1
    }
    out.outcome = .absorbed
    emit(Emission(frame: out, port: port))
  }
}

extension Frame {
  /// This record for bytes in the device's own buffer, which nobody has to give back.
  func movedRecord(to buffer: Bytes, headroom: Int, length: Int) -> Frame {
    var out = Frame(buffer: buffer, headroom: headroom, length: length, token: Model.noToken)
    out.inPort = inPort
    out.tenant = tenant
    out.rule = rule
    out.tunnelKey = tunnelKey
    out.flowHash = flowHash
    out.group = group
    out.queue = queue
    out.steps = steps
    out.outerL3 = outerL3
    out.outerL4 = outerL4
    out.innerL2 = innerL2
    out.innerL3 = innerL3
    out.innerL4 = innerL4
    return out
  }
}

extension Work {
  /// B1, B2, B5: fills in the checksums that a frame owes, the inner one first.
  func payChecksums(of frame: Frame, _ settings: Settings) throws(Exception) {
    let bytes = self.bytes
    let packet = SentPacket(bytes, frame, settings)
    if frame.owed.contains(.checksum) {
      let start = frame.checksumStart
      let place = start + Int(frame.checksumOffset)
      guard frame.checksumOffset == 6 || frame.checksumOffset == 16 else { throw .drop(.malformedDebt) }
      guard place + 2 <= bytes.count else { throw .drop(.malformedDebt) }
      let sum = ~Sum.fold(Sum.words(bytes, start, max(start, packet.end(of: start))))
      bytes.store(frame.checksumOffset == 6 && sum == 0 ? 0xffff : sum, at: place)
    }
    let outer = packet.outer
    if frame.owed.contains(.outerUDPChecksum) {
      guard outer.transport == .udp else { throw .drop(.malformedDebt) }
      bytes.fillUDPChecksum(outer, end: outer.l4End)
    }
    if frame.owed.contains(.outerIPv4Checksum) {
      guard outer.l3 >= 0, !outer.isIPv6 else { throw .drop(.malformedDebt) }
      bytes.fillIPv4Checksum(outer.l3)
    }
  }
}

extension Bytes {
  /// Computes an IPv4 header's checksum afresh.
  func fillIPv4Checksum(_ l3: Int) {
    store(UInt16(0), at: l3 + 10)
    store(~Sum.fold(Sum.words(self, l3, l3 + Int(self[l3] & 15) * 4)), at: l3 + 10)
  }

  /// Computes a UDP checksum afresh; 0 is sent as 0xFFFF.
  func fillUDPChecksum(_ layers: Layers, end: Int) {
    let l4 = layers.l4
    store(UInt16(0), at: l4 + 6)
    let pseudo = Sum.sentPseudoHeader(self, layers, proto: 17, length: end - l4)
    let sum = ~Sum.fold(pseudo &+ Sum.words(self, l4, end))
    store(sum == 0 ? 0xffff : sum, at: l4 + 6)
  }

  /// Computes a TCP checksum afresh.
  func fillTCPChecksum(_ layers: Layers, end: Int) {
    let l4 = layers.l4
    store(UInt16(0), at: l4 + 16)
    let pseudo = Sum.sentPseudoHeader(self, layers, proto: 6, length: end - l4)
    store(~Sum.fold(pseudo &+ Sum.words(self, l4, end)), at: l4 + 16)
  }
}

/// The headers of a frame that software sends: the tunnel is found whatever port it leaves through, and whether or not
/// its header has faults that only a receiver minds.
struct SentPacket {
  let outer: Layers
  var inner: Layers?
  var tunnel = Tunnel()
  private let length: Int

  init(_ bytes: Bytes, _ frame: Frame, _ settings: Settings) {
    length = bytes.count
    guard bytes.count >= 14 else {
      outer = Layers()
      return
    }
    let outer = Layers.fromEthernet(bytes, at: 0, end: bytes.count)
    self.outer = outer
    tunnel = Tunnel.find(bytes, outer, settings)
    if tunnel.kind != .none {
      let least = tunnel.proto == 0x6558 ? 14 : tunnel.proto == 0x86dd ? 40 : 20
      let isKnown = tunnel.proto == 0x6558 || tunnel.proto == 0x0800 || tunnel.proto == 0x86dd
      if tunnel.inner >= 0, isKnown, tunnel.end - tunnel.inner >= least { inner = Parsed.inside(bytes, tunnel) }
    } else if outer.transport == .udp, frame.innerL2 >= outer.l4 + 8, frame.innerL2 + 14 <= outer.l4End {
      // Another UDP port: the record says what is inside.
      inner =
        frame.innerL2 == frame.innerL3
        ? .fromIP(
          bytes, at: frame.innerL2, end: outer.l4End, type: bytes[frame.innerL2] >> 4 == 6 ? 0x86dd : 0x0800)
        : .fromEthernet(bytes, at: frame.innerL2, end: outer.l4End)
    }
  }

  /// B5: the end of the innermost IP packet that begins in front of `start`.
  func end(of start: Int) -> Int {
    if let inner, inner.l3 >= 0, inner.l3 < start { return inner.l3End }
    return outer.l3 >= 0 && outer.l3 < start ? outer.l3End : length
  }
}
