import Device
import EmulatedDevice
import Rules
import Testing

@Suite("Template and option refusals") struct TemplateRefusalTests {
  private func answer(
    _ template: Encapsulation, _ pattern: [Item] = [.anyEth], decapsulating: Bool = false,
    _ change: (inout Abilities) -> Void = { _ in }
  ) throws -> Refusal? {
    var abilities = everything()
    change(&abilities)
    var overlay = Vectors.overlay()
    overlay.encapsulations[9] = template
    var bench = try Bench(overlay, abilities)
    let decap: [Action] = decapsulating ? [.rawDecap(index: 1)] : []
    do {
      try bench.add(pattern, decap + [.rawEncap(index: 9), .representedPort(0)])
      return nil
    } catch let refusal as Refusal { return refusal }
  }

  private func refused(_ reason: RefusalReason, limit: Int = -1, wanted: Int = -1) -> Refusal {
    Refusal(reason, index: 0, isAction: true, limit: limit, wanted: wanted)
  }

  private func geneve(_ change: (inout Encapsulation) -> Void = { _ in }) -> Encapsulation {
    var template = Vectors.template(Vectors.geneve, 58, .geneve)
    change(&template)
    return template
  }

  @Test("A TTL or hop limit of 0 is refused when the rule is made")
  func ttl() throws {
    #expect(try answer(geneve { $0.header[22] = 0 }) == refused(.templateTTL))
    var over6 = Vectors.template(Vectors.vxlan6, 70, .vxlan, isIPv6: true)
    over6.header[21] = 0
    #expect(try answer(over6) == refused(.templateTTL))
  }

  @Test("A Geneve option length is that of the options, or 0, which the device fills in")
  func optionLength() throws {
    for said in 0..<64 {
      let wanted = said == 0 || said == 2 ? nil : refused(.templateOptionLength, limit: 2, wanted: said)
      #expect(try answer(geneve { $0.header[42] = UInt8(said) }) == wanted)
    }
    var overlay = Vectors.overlay()
    overlay.encapsulations[1]?.header[42] = 0
    var bench = try Bench(overlay)
    try bench.add([.anyEth], [.rawEncap(index: 1), .representedPort(0)])
    #expect(bench.receive(Vectors.inner, port: 1).map(\.bytes) == [Vectors.geneve])
  }

  @Test("Headers that do not agree with each other are malformed, and every truncation is")
  func malformed() throws {
    let changes: [(inout Encapsulation) -> Void] = [
      { $0.header[12] = 9 }, { $0.header[14] = 0x65 }, { $0.header[14] = 0x46 }, { $0.header[23] = 6 },
      { $0.header[42] = 0x42 }, { $0.header[44] = 1 }, { $0.header[53] = 2 }, { $0.l3 = 18 }, { $0.l4 = 38 },
      { $0.isIPv6 = true }, { $0.kind = .vxlan }, { $0.kind = .gre }, { $0.kind = .none }, { $0.header.append(0) },
      { $0.l3 = -5 }, { $0.l4 = 100_000 },
    ]
    for (index, change) in changes.enumerated() {
      #expect(try answer(geneve(change)) == refused(.templateMalformed), "change \(index)")
    }
    for vector in [
      geneve(), Vectors.template(Vectors.vxlan6, 70, .vxlan, isIPv6: true),
      Vectors.template(Vectors.nvgre, 42, .nvgre), Vectors.template(Vectors.gre, 42, .gre),
    ] {
      #expect(try answer(vector) == nil)
      for length in 0..<vector.header.count {
        var cut = vector
        cut.header = Array(vector.header.prefix(length))
        let reason = try answer(cut)?.reason
        #expect(reason == .templateMalformed || (reason == .templateOptionLength && length == 50))
      }
    }
  }

  @Test("A header longer than the device puts in front is refused with both lengths")
  func length() throws {
    #expect(try answer(geneve()) { $0.largestHeader = 58 } == nil)
    #expect(try answer(geneve()) { $0.largestHeader = 57 } == refused(.headerTooLarge, limit: 57, wanted: 58))
  }

  @Test("Each frame-dependent field needs its ability, and only when the policy asks for it")
  func fields() throws {
    var policy = EncapsulationPolicy()
    policy.ecn = .zero
    policy.udpChecksum = .off
    let plain = Vectors.template(Vectors.geneve, 58, .geneve, policy: policy)
    let all: FrameAbilities = [.ecnCopy, .dscpCopy, .ttlCopy, .dfCopy, .udpChecksumIPv4, .udpChecksumIPv6, .entropy]
    #expect(try answer(plain) { $0.frame.subtract(all) } == nil)
    #expect(try answer(plain) { $0.frame.remove(.fixesLengths) } == refused(.fixesLengths))
    let cases: [(RefusalReason, FrameAbilities, (inout Encapsulation) -> Void)] = [
      (.ecnCopy, .ecnCopy, { $0.policy.ecn = .copy }), (.dscpCopy, .dscpCopy, { $0.policy.dscp = .copy }),
      (.ttlCopy, .ttlCopy, { $0.policy.ttl = .copy }), (.dfCopy, .dfCopy, { $0.policy.df = .copy }),
      (.outerUDPChecksum, .udpChecksumIPv4, { $0.policy.udpChecksum = .on }),
      (.entropy, .entropy, { $0.header.replaceSubrange(34..<36, with: [0, 0]) }),
    ]
    for (reason, ability, change) in cases {
      var template = plain
      change(&template)
      #expect(try answer(template) { $0.frame.remove(ability) } == refused(reason))
      #expect(try answer(template) { $0.frame.subtract(all.subtracting(ability)) } == nil, "\(reason)")
    }
    let over6 = Vectors.template(Vectors.vxlan6, 70, .vxlan, isIPv6: true)
    #expect(try answer(over6) { $0.frame.remove(.udpChecksumIPv6) } == refused(.outerUDPChecksum))
    #expect(try answer(over6) { $0.frame.remove(.udpChecksumIPv4) } == nil)
  }

  @Test("ECN needs no copying where the match says all of it and the template has the same bits")
  func pinnedECN() throws {
    func pinned(_ ecn: UInt8, mask: UInt8 = 3) -> Item {
      var ip = IPv4Item()
      ip.tos = Field(ecn, mask: mask)
      return .ipv4(ip)
    }
    func cannot(_ abilities: inout Abilities) { abilities.frame.remove(.ecnCopy) }
    // The template's TOS is 2.
    #expect(try answer(geneve(), [.anyEth, pinned(2)], cannot) == nil)
    #expect(try answer(geneve(), [.anyEth, pinned(1)], cannot)?.reason == .ecnCopy)
    #expect(try answer(geneve(), [.anyEth, pinned(2, mask: 0xff)], cannot) == nil)
    #expect(try answer(geneve(), [.anyEth, .anyIPv4], cannot)?.reason == .ecnCopy)
    #expect(try answer(geneve(), [.anyEth, pinned(2, mask: 2)], cannot)?.reason == .ecnCopy)
    // After a removal the inner match counts, if the outer ECN leaves it alone.
    for outer: UInt8 in 0...3 {
      let both: [Item] = [.anyEth, pinned(outer), .anyGeneve, .anyEth, pinned(2)]
      let wanted: RefusalReason? = outer == 0 ? nil : .ecnCopy
      #expect(try answer(geneve(), both, decapsulating: true, cannot)?.reason == wanted)
    }
    let inner: [Item] = [.anyEth, .anyIPv4, .anyGeneve, .anyEth, pinned(2)]
    #expect(try answer(geneve(), inner, decapsulating: true, cannot)?.reason == .ecnCopy)
  }

  private func option(_ type: UInt8, _ data: [UInt32], mask: [UInt32]? = nil) -> Item {
    let mask = mask ?? data.map { _ in .max }
    return .geneveOption(
      GeneveOptionItem(optionClass: 0x102, type: type, length: UInt8(data.count), data: data, mask: mask))
  }

  private func options(_ items: [Item], _ change: (inout GeneveOptionLimits) -> Void) throws -> Refusal? {
    var abilities = everything()
    change(&abilities.geneveOptions)
    var bench = try Bench(Vectors.overlay(), abilities)
    do {
      try bench.add([.anyGeneve] + items, [.drop])
      return nil
    } catch let refusal as Refusal { return refusal }
  }

  @Test("Geneve options stay within what one rule may ask of the parser")
  func optionsPerRule() throws {
    let two = [option(1, [5]), option(2, [6])]
    #expect(try options(two) { $0.perRule = 2 } == nil)
    #expect(try options(two) { $0.perRule = 1 } == Refusal(.geneveOptionBudget, index: 2, limit: 1, wanted: 2))
    #expect(
      try options([option(1, [5]), option(1, [6])]) { $0.refusesRepeats = true }
        == Refusal(.geneveOptionRepeated, index: 2))
    #expect(try options([option(1, [0])]) { $0.refusesZeroData = true } == Refusal(.geneveOptionZeroData, index: 1))
    #expect(try options([option(1, [0, 1])]) { $0.refusesZeroData = true } == nil)
    #expect(
      try options([option(1, [5], mask: [0])]) { $0.refusesZeroMask = true }
        == Refusal(.geneveOptionZeroMask, index: 1))
    #expect(
      try options([option(1, [5, 6])]) { $0.wordsPerOption = 1 }
        == Refusal(.geneveOptionBudget, index: 1, limit: 1, wanted: 2))
    #expect(try options([option(1, [5, 6], mask: [0, 1])]) { $0.wordsPerOption = 1 } == nil)
    #expect(try options([option(1, [5, 6])]) { $0.words = 2 } == nil)
    #expect(
      try options([option(1, [5, 6])]) {
        $0.words = 2
        $0.classCostsWord = true
      } == Refusal(.geneveOptionBudget, index: 1, limit: 2, wanted: 3))
  }

  @Test("The parser's options are the whole device's, and are free again when no rule uses them")
  func optionsPerDevice() throws {
    var abilities = everything()
    abilities.geneveOptions.perDevice = 1
    var bench = try Bench(Vectors.overlay(), abilities)
    let first = try bench.add([.anyGeneve, option(1, [5])], [.drop])
    let second = try bench.add([.anyGeneve, option(1, [6])], [.drop])
    let budget = Refusal(.geneveOptionBudget, index: 1, limit: 1, wanted: 2)
    #expect(throws: budget) { try bench.add([.anyGeneve, option(2, [5])], [.drop]) }
    _ = try bench.device.remove(first, now: 0)
    #expect(throws: budget) { try bench.add([.anyGeneve, option(2, [5])], [.drop]) }
    _ = try bench.device.remove(second, now: 0)
    try bench.add([.anyGeneve, option(2, [5])], [.drop])
  }
}
