import Wire

/// The safe twin of HeaderStack: SPECIFICATION.md P1–P9 again, slowly, over an array that checks every access.
struct SafeParser {
  let bytes: [UInt8]
  let options: ParseOptions
  var known: [UInt32] = []

  struct Level: Equatable {
    var type = 0, firstType = 0, tags = 0, l3 = 0, l3End = 0, l4 = 0, proto = 0
    var network = NetworkKind.none, transport = TransportKind.none
    var fragment = false, fragmentHeader = false
  }

  struct Result: Equatable {
    var outer = Level(), inner = Level()
    var tunnel = TunnelHeaderKind.none, fault = TunnelFault.none
    var key = 0, innerStart = 0, proto = 0, optionsLength = 0
    var hasKey = false, nvgre = false
  }

  private func u8(_ at: Int) -> Int { Int(bytes[at]) }
  private func u16(_ at: Int) -> Int { u8(at) << 8 | u8(at + 1) }
  private func u32(_ at: Int) -> Int { u16(at) << 16 | u16(at + 2) }

  func parse(startsAtIP: Bool = false) throws(ParseDrop) -> Result {
    var result = Result()
    if startsAtIP {
      let type = bytes.isEmpty ? 0 : [4: 0x0800, 6: 0x86dd][u8(0) >> 4] ?? 0
      result.outer = ip(type, 0, bytes.count)
    } else {
      guard bytes.count >= 14 else { throw .runt }
      result.outer = ethernet(0, bytes.count)
    }
    if options.lookIntoTunnels { tunnel(&result) }
    let recorded = [
      result.outer.l3, result.outer.l4, result.innerStart, result.inner.l3, result.inner.l4,
    ]
    if recorded.contains(where: { $0 > 510 }) { throw .headersTooLong }
    return result
  }

  private let tags: Set<Int> = [0x8100, 0x88a8, 0x9100]

  private func ethernet(_ start: Int, _ end: Int) -> Level {
    var at = start + 14
    var type = u16(start + 12)
    let first = type
    var count = 0
    while tags.contains(type), count < 2, at + 4 <= end {
      type = u16(at + 2)
      at += 4
      count += 1
    }
    var level = ip(type, at, end)
    level.firstType = first
    level.tags = count
    return level
  }

  private func ip(_ type: Int, _ at: Int, _ end: Int) -> Level {
    var level = Level()
    level.type = type
    switch type {
    case 0x0800:
      guard end - at >= 20, u8(at) >> 4 == 4 else { return level }
      let header = (u8(at) & 15) * 4
      let total = u16(at + 2)
      guard header >= 20, at + header <= end, header <= total, total <= end - at else { return level }
      level.network = .ipv4
      level.l3 = at
      level.l3End = at + total
      level.proto = u8(at + 9)
      level.fragment = u16(at + 6) & 0x2000 != 0 || u16(at + 6) & 0x1fff != 0
      if !level.fragment { transport(&level, at + header) }
    case 0x86dd:
      guard end - at >= 40, u8(at) >> 4 == 6, u16(at + 4) <= end - at - 40 else { return level }
      level.network = .ipv6
      level.l3 = at
      level.l3End = at + 40 + u16(at + 4)
      level.proto = u8(at + 6)
      var next = at + 40
      var walked = 0
      while [0, 43, 44, 51, 60].contains(level.proto) {
        if walked == 8 { return level }
        guard next + 2 <= level.l3End else { return level }
        let length = level.proto == 44 ? 8 : level.proto == 51 ? (u8(next + 1) + 2) * 4 : (u8(next + 1) + 1) * 8
        guard next + length <= level.l3End else { return level }
        if level.proto == 44 {
          level.fragmentHeader = true
          let offset = u16(next + 2) >> 3
          if offset != 0 || u16(next + 2) & 1 != 0 { level.fragment = true }
          if offset != 0 {
            level.proto = u8(next)
            return level
          }
        }
        level.proto = u8(next)
        next += length
        walked += 1
      }
      if !level.fragment { transport(&level, next) }
    default: break
    }
    return level
  }

  private func transport(_ level: inout Level, _ at: Int) {
    let left = level.l3End - at
    let kind: TransportKind
    switch (level.proto, level.network) {
    case (17, _) where left >= 8 && u16(at + 4) >= 8 && u16(at + 4) <= left: kind = .udp
    case (6, _) where left >= 20 && u8(at + 12) >> 4 >= 5 && (u8(at + 12) >> 4) * 4 <= left: kind = .tcp
    case (1, .ipv4) where left >= 8: kind = .icmp
    case (58, .ipv6) where left >= 8: kind = .icmp6
    case (47, _) where left >= 4: kind = .gre
    case (50, _) where left >= 8: kind = .esp
    default: return
    }
    level.transport = kind
    level.l4 = at
  }

  private func tunnel(_ result: inout Result) {
    let at = result.outer.l4
    if result.outer.transport == .gre {
      result.tunnel = .gre
      result.fault = gre(&result, at, result.outer.l3End)
    } else if result.outer.transport == .udp {
      let end = at + u16(at + 4)
      if u16(at + 2) == Int(options.genevePort) {
        result.tunnel = .geneve
        result.fault = geneve(&result, at + 8, end)
      } else if u16(at + 2) == Int(options.vxlanPort) {
        result.tunnel = .vxlan
        result.fault = vxlan(&result, at + 8, end)
      }
    }
    if result.fault != .none {
      // Only kind and reason count of a faulty tunnel.
      result = Result(outer: result.outer, tunnel: result.tunnel, fault: result.fault)
    }
  }

  private func geneve(_ result: inout Result, _ at: Int, _ end: Int) -> TunnelFault {
    guard end - at >= 8 else { return .tunnelTruncated }
    guard u8(at) >> 6 == 0 else { return .geneveVersion }
    let optionsEnd = at + 8 + (u8(at) & 63) * 4
    guard optionsEnd <= end else { return .tunnelTruncated }
    var seen: [(id: Int, critical: Bool)] = []
    var option = at + 8
    while option < optionsEnd {
      seen.append((u32(option) >> 8, u8(option + 2) & 0x80 != 0))
      option += 4 + (u8(option + 3) & 31) * 4
    }
    guard option == optionsEnd else { return .geneveOptions }
    guard u8(at + 1) & 0x80 == 0 else { return .geneveControl }
    let critical = seen.filter(\.critical)
    guard critical.isEmpty || u8(at + 1) & 0x40 != 0 else { return .geneveCriticalBit }
    guard critical.allSatisfy({ known.contains(UInt32($0.id)) }) else { return .geneveCriticalOption }
    result.optionsLength = optionsEnd - at - 8
    result.key = u32(at + 4) >> 8
    result.hasKey = true
    return inner(&result, u16(at + 2), optionsEnd, end)
  }

  private func vxlan(_ result: inout Result, _ at: Int, _ end: Int) -> TunnelFault {
    guard end - at >= 8 else { return .tunnelTruncated }
    guard u8(at) & 8 != 0 else { return .vxlanNoVNI }
    guard end - at - 8 >= 14 else { return .innerTruncated }
    if tags.contains(u16(at + 8 + 12)), !options.acceptsVXLANInnerVLAN { return .vxlanInnerVLAN }
    result.key = u32(at + 4) >> 8
    result.hasKey = true
    return inner(&result, 0x6558, at + 8, end)
  }

  private func gre(_ result: inout Result, _ at: Int, _ end: Int) -> TunnelFault {
    let flags = u16(at)
    if flags & 0x4ff8 != 0 || flags & 7 != 0 { return .greReserved }
    var length = 4
    var keyAt: Int?
    if flags & 0x8000 != 0 { length += 4 }
    if flags & 0x2000 != 0 {
      keyAt = at + length
      length += 4
    }
    if flags & 0x1000 != 0 { length += 4 }
    guard at + length <= end else { return .tunnelTruncated }
    if flags & 0x8000 != 0 {
      var sum = 0
      for index in at..<end { sum += (index - at) & 1 == 0 ? u8(index) << 8 : u8(index) }
      while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
      if sum != 0xffff { return .greChecksum }
    }
    if let keyAt {
      result.hasKey = true
      result.key = u32(keyAt)
    }
    result.nvgre = flags == 0x2000 && u16(at + 2) == 0x6558
    return inner(&result, u16(at + 2), at + length, end)
  }

  private func inner(_ result: inout Result, _ proto: Int, _ at: Int, _ end: Int) -> TunnelFault {
    guard let least = [0x6558: 14, 0x0800: 20, 0x86dd: 40][proto] else { return .tunnelProtocol }
    guard end - at >= least else { return .innerTruncated }
    result.proto = proto
    result.innerStart = at
    result.inner = proto == 0x6558 ? ethernet(at, end) : ip(proto, at, end)
    return .none
  }
}

extension SafeParser.Level {
  /// What HeaderStack says, in the twin's words.
  init(_ stack: LayerStack) {
    self.init(
      type: Int(stack.etherType), firstType: Int(stack.firstType), tags: Int(stack.vlanCount), l3: Int(stack.l3),
      l3End: Int(stack.l3End), l4: Int(stack.l4), proto: Int(stack.ipProto), network: stack.l3Kind,
      transport: stack.l4Kind, fragment: stack.isFragment, fragmentHeader: stack.hasFragmentHeader)
  }
}

extension SafeParser.Result {
  /// What HeaderStack says, in the twin's words.
  init(_ stack: HeaderStack) {
    self.init(outer: .init(stack.outer), tunnel: stack.tunnel, fault: stack.fault)
    guard stack.fault == .none else { return }
    inner = .init(stack.inner)
    key = Int(stack.tunnelKey)
    innerStart = Int(stack.innerStart)
    proto = Int(stack.tunnelProtocol)
    optionsLength = Int(stack.optionsLength)
    hasKey = stack.hasKey
    nvgre = stack.isNVGRE
  }
}
