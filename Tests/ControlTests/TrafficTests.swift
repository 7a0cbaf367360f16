import Device
import Rules
import Testing

@testable import Control

@Suite("Generated traffic")
struct TrafficTests {
  @Test("is the same for the same seed and another for another")
  func deterministic() {
    let configuration = RandomConfiguration.make(seed: 3)
    var first = TrafficGenerator(configuration, seed: 9)
    var second = TrafficGenerator(configuration, seed: 9)
    var third = TrafficGenerator(configuration, seed: 10)
    var different = 0
    for _ in 0..<200 {
      let (a, b, c) = (first.next(), second.next(), third.next())
      #expect(a.bytes == b.bytes && a.port == b.port && a.rule == b.rule)
      if a.bytes != c.bytes { different += 1 }
    }
    #expect(different > 150)
  }

  @Test("has right checksums and lengths when it is not spoiled, inside tunnels too")
  func wellFormed() {
    var judged = 0
    for seed in UInt64(0)..<20 {
      let configuration = RandomConfiguration.make(seed: seed)
      var mix = TrafficGenerator.Mix()
      mix.strayPercent = 0
      var generator = TrafficGenerator(configuration, mix: mix, seed: seed)
      for _ in 0..<200 {
        let frame = generator.next().bytes
        #expect(ChecksumJudge.isRight(frame))
        guard let at = FlowIdentity.packet(in: frame), frame[at] == 0x45, at + 44 <= frame.count else { continue }
        let total = Int(frame[at + 2]) << 8 | Int(frame[at + 3])
        #expect(at + total <= frame.count && frame.count - at - total < 46)
        // VXLAN, whose header has one length.
        let isWhole = frame[at + 6] & 0x3f | frame[at + 7] == 0
        let port = UInt16(frame[at + 22]) << 8 | UInt16(frame[at + 23])
        if frame[at + 9] == 17, isWhole, port == configuration.overlay.endpoint.vxlanPort {
          #expect(ChecksumJudge.isRight(Array(frame[(at + 36)...])))
          judged += 1
        }
      }
    }
    #expect(judged > 50)
  }

  @Test("meets every kind of tunnel, extension header, fragment and fault of a tunnel that there is a name for")
  func breadth() throws {
    var met: Set<DropReason> = []
    for seed in UInt64(0)..<60 {
      let configuration = RandomConfiguration.make(seed: seed)
      var mix = TrafficGenerator.Mix()
      mix.spoiledPercent = 30
      var traffic = TrafficGenerator(configuration, mix: mix, seed: seed)
      let engine = try Engine(configuration, plan: nil)
      for _ in 0..<200 {
        let frame = traffic.next()
        for result in engine.process(frame.bytes, port: frame.port, now: 0) {
          if case .dropped(let reason) = result.fate { met.insert(reason) }
        }
      }
    }
    let wanted: [DropReason] = [
      .rule, .noRule, .noFate, .runt, .outerFragment, .outerIPv4Checksum, .outerUDPChecksum, .zeroUDPChecksumIPv6,
      .outerUDPLength, .geneveVersion, .geneveOptions, .geneveControl, .geneveCriticalOption, .geneveCriticalBit,
      .tunnelProtocol, .vxlanNoVNI, .vxlanInnerVLAN, .greReserved, .greChecksum, .nvgreReservedVSID, .nvgreInnerVLAN,
      .tunnelTruncated, .innerTruncated, .ecnNotCapable, .decapsulateMismatch, .missingEthernet, .ttlExpired, .tooBig,
      .exceedsPortMTU, .noSuchPort, .jumpLoop,
    ]
    #expect(Set(wanted).subtracting(met).isEmpty)
  }

  @Test("can lie in any byte of any header, and its checksums still hold")
  func lies() {
    var plan = FrameBlueprint()
    plan.tunnel = FrameBlueprint.Tunnel(kind: .gre)
    plan.tunnel?.hasChecksum = true
    plan.inner.l4 = .tcp
    plan.payload = [1, 2, 3]
    let honest = plan.bytes()
    for header in FrameBlueprint.Lie.Header.allCases {
      var bytes: Set<[UInt8]> = [honest]
      for at in 0..<12 {
        plan.lies = [.init(header: header, at: at, change: .flip(4))]
        bytes.insert(plan.bytes())
      }
      // GRE has no outer transport header.
      #expect(bytes.count > (header == .outerTransport ? 0 : 8), "\(header)")
    }
    // A word of the tunnel's protocol, an address outside, a port inside.
    plan.lies = [
      .init(header: .tunnel, at: 3, change: .add(1)), .init(header: .outerIP, at: 19, change: .set(9)),
      .init(header: .innerTransport, at: 2, change: .flip(0x80)),
    ]
    // A datagram of any length it likes to say, its checksum to be a given one.
    for carries in [nil, FrameBlueprint.Tunnel(kind: .vxlan)] {
      var liar = FrameBlueprint(outer: .init(l4: .udp), payload: [1, 2, 3, 4, 5, 6])
      liar.tunnel = carries
      liar.outer.wantedTransportChecksum = 0x1234
      for length in UInt8(0)..<40 {
        liar.lies = [
          .init(header: .outerTransport, at: 4, change: .set(0)),
          .init(header: .outerTransport, at: 5, change: .set(length)),
        ]
        #expect(liar.bytes().count > 40)
      }
    }
    let told = plan.bytes()
    #expect(told != honest && sum(told[14..<34]) == 0xffff && sum(told[34...]) == 0xffff)
    #expect(ChecksumJudge.isRight(Array(told[42...])))
  }
}

@Suite("Comparing two sides")
struct ComparatorTests {
  private let configuration = RandomConfiguration.make(seed: 1)

  private func differences(_ device: [Result], _ software: [Result]) -> [String] {
    var comparator = Comparator(configuration)
    comparator.compare(frame: 1, device: device, software: software)
    return comparator.differences.map(\.what)
  }

  private func sent(_ bytes: [UInt8], port: UInt16 = 0, rule: UInt32 = 0) -> Result {
    Result(fate: .forwarded(port: port), rule: rule, bytes: bytes)
  }

  @Test("finds every single byte that differs in a frame without chosen fields")
  func everyByte() {
    let frame = [UInt8](repeating: 7, count: 80)
    #expect(differences([sent(frame)], [sent(frame)]).isEmpty)
    for index in frame.indices {
      var other = frame
      other[index] ^= 1
      #expect(differences([sent(frame)], [sent(other)]).count == 1, "byte \(index)")
    }
  }

  @Test("finds another port, rule, count, drop reason, queue and mark")
  func everythingElse() {
    let frame = [UInt8](repeating: 7, count: 80)
    #expect(!differences([sent(frame, port: 1)], [sent(frame)]).isEmpty)
    #expect(!differences([sent(frame, rule: 900)], [sent(frame)]).isEmpty)
    #expect(!differences([sent(frame), sent(frame)], [sent(frame)]).isEmpty)
    #expect(!differences([], [sent(frame)]).isEmpty)
    func drop(_ reason: DropReason) -> Result { Result(fate: .dropped(reason), rule: 0, bytes: []) }
    #expect(!differences([drop(.rule)], [drop(.noRule)]).isEmpty)
    func queue(_ queue: UInt8, _ mark: UInt32) -> Result {
      Result(fate: .delivered(queue: queue, mark: mark), rule: 0, bytes: frame)
    }
    #expect(!differences([queue(1, 0)], [queue(2, 0)]).isEmpty)
    #expect(!differences([queue(1, 5)], [queue(1, 6)]).isEmpty)
  }

  @Test("knows which frames each side has to copy, and finds a copy that is missing, too many or another")
  func copies() {
    var configuration = self.configuration
    configuration.overlay.sampleActions = [1: [.queue(1)]]
    var attributes = Attributes()
    attributes.group = 1
    let rule = Rule(
      attributes: attributes, pattern: [],
      actions: [.sample(ratio: 1, index: 1), .sample(ratio: 3, index: 1), .representedPort(0)])
    configuration.rules = [NumberedRule(id: 1, rule: rule)]
    var copy = Result(fate: .delivered(queue: 1, mark: 0), rule: 1, bytes: [1, 2, 3])
    copy.isCopy = true
    let frame = sent([7], rule: 1)
    var comparator = Comparator(configuration)
    func compare(_ copies: [Result], _ handover: Handover?) -> Int {
      let before = comparator.count
      comparator.compare(
        frame: 1, device: copies + [frame], software: [copy, copy, frame], handover: handover, rightChecksums: false)
      return comparator.count - before
    }
    // The device and software count for themselves: the first of each, then every third.
    #expect(compare([copy, copy], .finished) == 0)
    #expect(compare([copy, copy], .untouched) == 0)
    #expect(compare([copy], .finished) == 0)
    #expect(compare([copy, copy], .finished) == 1, "one too many")
    #expect(compare([copy], .finished) == 1, "the fourth is missing")
    // Half done: the first action by the device, its fifth; the second by software, its second.
    #expect(compare([copy], .begun(rule: 1, actionsDone: 1)) == 0)
    var other = copy
    other.bytes[2] = 4
    #expect(compare([other], .untouched) > 0)
    #expect(compare([], nil) == 0 && compare([copy], nil) == 0 && compare([other], nil) == 1)
  }

  @Test("lets a copy be overtaken on its way to a port that merges frames, and to no other")
  func overtakenCopies() {
    var configuration = self.configuration
    configuration.overlay.sampleActions = [1: [.representedPort(5)], 2: [.queue(1)]]
    configuration.rules = [
      NumberedRule(
        id: 1,
        rule: Rule(
          pattern: [], actions: [.sample(ratio: 1, index: 1), .sample(ratio: 1, index: 2), .representedPort(0)]))
    ]
    var first = sent([1], port: 5, rule: 1)
    var second = Result(fate: .delivered(queue: 1, mark: 0), rule: 1, bytes: [2])
    (first.isCopy, second.isCopy) = (true, true)
    let frame = sent([7], rule: 1)
    for merges in [true, false] {
      configuration.ports = [Configuration.NamedPort(name: "five", port: Port(id: 5, kind: .tenant, coalesces: merges))]
      for handover in [Handover.untouched, nil] {
        func count(_ copies: [Result]) -> Int {
          var comparator = Comparator(configuration)
          comparator.compare(
            frame: 1, device: copies + [frame], software: [first, second, frame], handover: handover,
            rightChecksums: false)
          return comparator.count
        }
        #expect(count([first, second]) == 0)
        #expect((count([second, first]) == 0) == merges)
        var other = first
        other.bytes = [3]
        #expect(count([second, other]) > 0)
        #expect(count([second, second]) > 0)
      }
    }
  }

  @Test("lets a copy that was merged and cut again have another identification where the packet has DF, and else none")
  func renumberedCopies() {
    var configuration = self.configuration
    configuration.overlay.sampleActions = [1: [.representedPort(5)]]
    configuration.rules = [
      NumberedRule(id: 1, rule: Rule(pattern: [], actions: [.sample(ratio: 1, index: 1), .representedPort(0)]))
    ]
    for (merges, fragment, allows) in [(true, UInt16(0x4000), true), (true, 0, false), (false, 0x4000, false)] {
      configuration.ports = [Configuration.NamedPort(name: "five", port: Port(id: 5, kind: .tenant, coalesces: merges))]
      func copy(_ id: UInt16) -> Result {
        var plan = FrameBlueprint(outer: .init(l4: .udp), payload: [1, 2, 3, 4])
        (plan.outer.id, plan.outer.fragment) = (id, fragment)
        var result = sent(plan.bytes(), port: 5, rule: 1)
        result.isCopy = true
        return result
      }
      var comparator = Comparator(configuration)
      let frame = sent([7], rule: 1)
      comparator.compare(
        frame: 1, device: [copy(8), frame], software: [copy(7), frame], handover: .untouched, rightChecksums: false)
      #expect((comparator.count == 0) == allows)
    }
  }

  @Test("finds another tunnel key, and what is said of checksums and is not so")
  func record() {
    let frame = FrameBlueprint(outer: .init(l4: .tcp), payload: [1, 2, 3]).bytes()
    var keyed = sent(frame)
    keyed.tunnelKey = 5
    #expect(differences([keyed], [keyed]).isEmpty)
    #expect(!differences([keyed], [sent(frame)]).isEmpty)
    for (layer, at) in [(ChecksumKnowledge.Layer.outerL3, 24), (.outerL4, 50)] {
      for isWrong in [false, true] {
        var result = sent(frame)
        if isWrong { result.bytes[at] ^= 1 }
        result.checksums[layer] = isWrong ? .bad : .good
        func count() -> Int {
          var comparator = Comparator(configuration)
          comparator.compare(frame: 1, device: [result], software: [result], rightChecksums: false)
          return comparator.count
        }
        #expect(count() == 0)
        result.checksums[layer] = isWrong ? .good : .bad
        #expect(count() == 2, "on either side")
      }
    }
  }

  @Test("lets a chosen source port and identification differ, and nothing else, and holds them to their rules")
  func chosenFields() throws {
    var plan = FrameBlueprint()
    plan.outer.fragment = 0
    plan.outer.src128 = 0x0a000001
    plan.outer.dst128 = 0x0a000002
    var tunnel = FrameBlueprint.Tunnel()
    tunnel.vni = 5
    plan.tunnel = tunnel
    plan.outer.dstPort = 6081
    let header = Array(plan.bytes().prefix(50))
    let encapsulation = Encapsulation(
      header: header, kind: .geneve, l3: 14, l4: 34, isIPv6: false, policy: EncapsulationPolicy())
    var rule = Rule(pattern: [.eth(EthItem())], actions: [.rawEncap(index: 1), .representedPort(0)])
    rule.attributes.ingress = true
    var configuration = self.configuration
    configuration.overlay.encapsulations[1] = encapsulation
    configuration.rules = [NumberedRule(id: 1, rule: rule)]
    func frame(port: UInt16, id: UInt16) -> Result {
      var plan = plan
      plan.outer.srcPort = port
      plan.outer.id = id
      return sent(plan.bytes(), rule: 1)
    }
    func compare(_ a: Result, _ b: Result) -> [String] {
      var comparator = Comparator(configuration)
      comparator.compare(frame: 1, device: [a], software: [b])
      return comparator.differences.map(\.what)
    }
    let good = frame(port: 50000, id: 3)
    #expect(compare(good, frame(port: 60000, id: 4)).isEmpty)
    #expect(!compare(good, frame(port: 5000, id: 4)).isEmpty, "a port outside of the range")
    for index in good.bytes.indices where ![18, 19, 24, 25, 34, 35, 40, 41].contains(index) {
      var bad = good
      bad.bytes[index] ^= 1
      #expect(!compare(good, bad).isEmpty, "byte \(index)")
    }
    for index in [24, 25, 40, 41, 18, 34] {
      var bad = good
      bad.bytes[index] ^= 1
      #expect(!compare(good, bad).isEmpty, "byte \(index): a checksum no longer right")
    }
    var comparator = Comparator(configuration)
    comparator.compare(frame: 1, device: [good], software: [good])
    comparator.compare(frame: 2, device: [frame(port: 50001, id: 0)], software: [frame(port: 50000, id: 4)])
    #expect(comparator.count == 1, "one flow with two ports")
    plan.outer.fragment = 0
    comparator = Comparator(configuration)
    for id in [UInt16(7), 8, 8] {
      comparator.compare(
        frame: 1, device: [frame(port: 50000, id: id)], software: [frame(port: 50000, id: id &+ id)])
    }
    #expect(comparator.count == 2, "packets in a row that may be cut with one identification, on both sides (RFC 6864)")
  }
}
