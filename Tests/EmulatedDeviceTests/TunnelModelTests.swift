import Device
import EmulatedDevice
import Rules
import Testing

/// Small models of P7, every combination: the device finds the first fault in the specification's order, and no other.
@Suite("Every tunnel header of a small model") struct TunnelModelTests {
  /// What an option is: its bytes, and what it does to a header that has it.
  private struct Option {
    var bytes: [UInt8]
    var isCritical = false
    var isKnown = true
    /// It reaches past the options.
    var isTorn = false
  }

  private static let options: [[Option]] = [
    [], [.init(bytes: [1, 2, 0x80, 0], isCritical: true)],
    [.init(bytes: [1, 2, 0x81, 0], isCritical: true, isKnown: false)],
    [.init(bytes: [9, 9, 5, 0xe1, 1, 2, 3, 4])], [.init(bytes: [9, 9, 5, 1], isTorn: true)],
    [.init(bytes: [1, 2, 0x81, 0x1f], isCritical: true, isKnown: false, isTorn: true)],
    [.init(bytes: [9, 9, 5, 0]), .init(bytes: [1, 2, 0x80, 1, 0, 0, 0, 0], isCritical: true)],
  ]

  /// An outer IPv4 and UDP header without checksum in front of `datagram`.
  private func udp(_ port: UInt16, _ datagram: [UInt8]) -> [UInt8] {
    ipv4(17, [0xc0, 1, UInt8(port >> 8), UInt8(port & 255)] + be(8 + datagram.count) + [0, 0] + datagram)
  }

  private func ipv4(_ proto: UInt8, _ body: [UInt8]) -> [UInt8] {
    var header: [UInt8] = [0x45, 0] + be(20 + body.count) + [0, 0, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
    let sum = ~Oracle.sum(header[...]) & 0xffff
    header[10] = UInt8(sum >> 8)
    header[11] = UInt8(sum & 255)
    return Vectors.outerEthernet + [8, 0] + header + body
  }

  private func be(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }

  /// The device's word about a frame: the fault that it found, or nil where a rule for that tunnel takes it.
  private func fault(_ bench: inout Bench, _ frame: [UInt8]) -> DropReason? {
    let out = bench.receive(frame, port: 0)
    #expect(out.count == 1)
    return out.first?.frame.outcome == .deliver ? nil : bench.device.foundDrop
  }

  private func bench(_ item: Item, _ index: UInt16, _ overlay: Overlay = Vectors.overlay()) throws -> Bench {
    var bench = try Bench(overlay)
    try bench.add([item], [.queue(0)])
    try bench.add([.anyEth], [.rawDecap(index: index), .representedPort(1)], priority: 1)
    return bench
  }

  /// The bytes that must be inside; nil for a protocol that is none.
  private func least(_ proto: Int) -> Int? { [0x6558: 14, 0x0800: 20, 0x86dd: 40][proto] }

  @Test("Geneve: version, lengths, options, flags, protocol and what is inside")
  func geneve() throws {
    var bench = try bench(.anyGeneve, 1)
    var met: Set<String> = []
    for options in Self.options {
      let bytes = options.flatMap(\.bytes)
      for version in [UInt8(0), 1, 3] {
        for flags in [UInt8(0), 0x80, 0x40, 0xc0, 0x3f] {
          for proto in [0x6558, 0x0800, 0x86dd, 0x0806] {
            for more in [0, 1] {
              for inside in [0, 13, 14, 19, 20, 39, 40] where more == 0 || inside == 0 {
                let words = UInt8(bytes.count / 4 + more) | version << 6
                let header = [words, flags] + be(proto) + [0, 0, 5, 0] + bytes
                let frame = udp(6081, header + [UInt8](repeating: 0, count: inside))
                let isCritical = options.contains(where: \.isCritical)
                let wanted: DropReason? =
                  if version != 0 { .geneveVersion } else if more > 0 {
                    .tunnelTruncated
                  } else if options.contains(
                    where: \.isTorn)
                  {
                    .geneveOptions
                  } else if flags & 0x80 != 0 { .geneveControl } else if isCritical, flags & 0x40 == 0 {
                    .geneveCriticalBit
                  } else if !options.allSatisfy(\.isKnown) { .geneveCriticalOption } else if least(proto) == nil {
                    .tunnelProtocol
                  } else if inside < least(proto) ?? 0 { .innerTruncated } else { nil }
                #expect(fault(&bench, frame) == wanted, "\(frame.dropFirst(42))")
                met.insert(wanted?.name ?? "sound")
              }
            }
          }
        }
      }
    }
    #expect(met.count == 9)
    for length in 0..<8 {
      #expect(fault(&bench, udp(6081, [UInt8](repeating: 0, count: length))) == .tunnelTruncated)
    }
  }

  @Test("VXLAN: flags, length, and a tag inside where it may be", arguments: [true, false])
  func vxlan(acceptsTags: Bool) throws {
    var overlay = Vectors.overlay()
    overlay.endpoint.acceptsVXLANInnerVLAN = acceptsTags
    var bench = try bench(.anyVXLAN, 2, overlay)
    for flags in UInt8(0)...255 {
      for inside in [0, 13, 14, 60] {
        for type in [0x0800, 0x8100, 0x88a8, 0x9100, 0x8101] where inside >= 14 || type == 0x0800 {
          let inner = [UInt8](repeating: 2, count: min(inside, 12)) + be(type) + [UInt8](repeating: 0, count: 46)
          let frame = udp(4789, [flags, 0, 0, 0, 0, 0, 7, 0xff] + inner.prefix(inside))
          let wanted: DropReason? =
            if flags & 8 == 0 { .vxlanNoVNI } else if inside < 14 {
              .innerTruncated
            } else if !acceptsTags,
              [
                0x8100, 0x88a8, 0x9100,
              ].contains(type)
            { .vxlanInnerVLAN } else { nil }
          #expect(fault(&bench, frame) == wanted, "\(frame.dropFirst(42))")
        }
      }
    }
    for length in 0..<8 {
      #expect(fault(&bench, udp(4789, [UInt8](repeating: 8, count: length))) == .tunnelTruncated)
    }
  }

  @Test("GRE: every pair of flag bits, every length, checksum and protocol")
  func gre() throws {
    var bench = try bench(.anyGRE, 4)
    let bits = (0..<16).map { 1 << $0 } + [0]
    for flags in Set(bits.flatMap { one in bits.map { one | $0 } } + [0xb000]) {
      let optional = [0x8000, 0x2000, 0x1000].filter { flags & $0 != 0 }.count * 4
      for proto in [0x6558, 0x0800, 0x86dd, 0x0806] {
        for length in [optional - 1, optional, optional + 13, optional + 14, optional + 40] where length >= 0 {
          for isWrong in flags & 0x8000 != 0 && length >= 4 ? [false, true] : [false] {
            var packet = be(flags) + be(proto) + [UInt8](repeating: 0, count: length)
            if flags & 0x8000 != 0, length >= 4 {
              let sum = ~Oracle.sum(packet[...]) & 0xffff ^ (isWrong ? 1 : 0)
              packet.replaceSubrange(4..<6, with: be(sum))
            }
            let wanted: DropReason? =
              if flags & 0x4fff != 0 { .greReserved } else if length < optional { .tunnelTruncated } else if isWrong {
                .greChecksum
              } else if least(proto) == nil { .tunnelProtocol } else if length - optional < least(proto) ?? 0 {
                .innerTruncated
              } else { nil }
            #expect(fault(&bench, ipv4(47, packet)) == wanted, "\(packet)")
          }
        }
      }
    }
  }
}
