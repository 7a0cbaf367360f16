import Device
import EmulatedDevice
import Rules
import Testing

@Suite("Faults") struct FaultTests {
  private func bench(_ change: (inout FaultPlan) -> Void, seed: UInt64 = 1) throws -> Bench {
    var faults = FaultPlan()
    change(&faults)
    return try Bench(Vectors.overlay(), seed: seed, faults: faults)
  }

  @Test("The table is full where the plan says")
  func tableFull() throws {
    var bench = try bench { $0.tableFullAt = 2 }
    try bench.add([.anyEth], [.drop])
    try bench.add([.anyEth], [.drop])
    #expect(throws: Refusal(.tableFull, limit: 2, wanted: 3)) { try bench.add([.anyEth], [.drop]) }
  }

  @Test("One insertion in N is refused as busy, another takes effect late")
  func insertions() throws {
    var refusing = try bench { $0.busyInsertion = 5 }
    var busy = 0
    for _ in 0..<50 { do { try refusing.add([.anyEth], [.drop]) } catch { busy += 1 } }
    #expect(busy == 10 && refusing.device.ruleCount == 40)
    var late = try bench {
      $0.slowInsertion = 1
      $0.slowness = 500
    }
    try late.add([.anyEth], [.drop], now: 10)
    #expect(late.receive(Vectors.inner, port: 1, now: 509).map(\.frame.outcome) == [.up])
    #expect(late.receive(Vectors.inner, port: 1, now: 510).map(\.frame.outcome) == [.dropped(.rule)])
  }

  @Test("A lost completion is a frame that never comes out, and is counted exactly")
  func lostFrames() throws {
    var bench = try bench { $0.lostFrame = 7 }
    let rule = try bench.add([.anyEth], [.count(id: 0), .drop])
    var gone = 0
    for _ in 0..<70 where bench.receive(Vectors.inner, port: 1).isEmpty { gone += 1 }
    #expect(gone == 10 && bench.device.statistics.lostInDevice == 10)
    #expect(try bench.device.query(rule, now: 0).frames == 60)
  }

  @Test("A stale counter shows its last reading")
  func staleCounters() throws {
    var bench = try bench { $0.staleCounter = 1 }
    let rule = try bench.add([.anyEth], [.count(id: 0), .drop])
    _ = bench.receive(Vectors.inner, port: 1)
    #expect(try bench.device.query(rule, now: 5) == CounterReading(frames: 0, bytes: 0, takenAt: 0))
  }

  @Test("A lying checksum is good for bad and bad for good")
  func lyingChecksums() throws {
    var bench = try bench { $0.lyingChecksum = 1 }
    var frame = Vectors.inner
    #expect(bench.receive(frame, port: 1).first?.frame.checksums[.outerL4] == .bad)
    frame[50] ^= 1
    #expect(bench.receive(frame, port: 1).first?.frame.checksums[.outerL4] == .good)
  }

  @Test("A lying action changes one bit of a changed frame, and none of one it passes through", arguments: [1, 4])
  func lyingActions(_ every: Int) throws {
    var bench = try bench { $0.lyingAction = UInt32(every) }
    try bench.add([.anyTCP], [.rawEncap(index: 1), .representedPort(0)])
    try bench.add([.anyUDP], [.representedPort(2)])
    var wrong = 0
    for _ in 0..<40 {
      let out = try #require(bench.receive(Vectors.inner, port: 1).first)
      let bits = zip(out.bytes, Vectors.geneve).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }
      if bits > 0 {
        #expect(bits == 1 && out.bytes[48] ^ Vectors.geneve[48] == 1, "the VNI's last bit")
        wrong += 1
      }
      #expect(bench.receive(Vectors.inner6, port: 1).map(\.bytes) == [Vectors.inner6])
    }
    #expect(wrong == 40 / every)
  }

  @Test("A reset swallows what is in the device, exactly, takes the rules, and is over when acknowledged")
  func reset() throws {
    for depth in 0...3 {
      var bench = try bench {
        $0.resetAtFrame = 10
        $0.resetDepth = UInt32(depth)
      }
      let rule = try bench.add([.anyEth], [.count(id: 0), .drop])
      var out: [Int] = []
      for frame in 1...10 {
        #expect(bench.device.isAlive == true)
        out.append(bench.receive(Vectors.inner, port: 1).count)
        if frame < 10 { #expect(bench.device.isAlive == true) }
      }
      #expect(bench.device.isAlive == false && bench.device.ruleCount == 0)
      #expect(out == [Int](repeating: 1, count: 10 - depth) + [Int](repeating: 0, count: depth))
      #expect(bench.device.statistics.lostInDevice == UInt64(depth) && bench.device.statistics.resets == 1)
      #expect(throws: Refusal(.deviceLost)) { try bench.device.query(rule, now: 0) }
      #expect(throws: Refusal(.deviceLost)) { try bench.device.remove(rule, now: 0) }
      #expect(throws: Refusal(.deviceLost)) { try bench.add([.anyEth], [.drop], id: 9) }
      #expect(bench.receive(Vectors.inner, port: 1).isEmpty)
      #expect(bench.device.statistics.lostInDevice == UInt64(depth + 1))
      bench.device.recover(now: 0)
      #expect(bench.device.isAlive == true)
      #expect(bench.receive(Vectors.inner, port: 1).map(\.frame.outcome) == [.up])
      try bench.add([.anyEth], [.drop], id: 9)
      #expect(bench.receive(Vectors.inner, port: 1).map(\.frame.outcome) == [.dropped(.rule)])
    }
  }

  @Test("The same seed gives the same faults, another seed others")
  func seeds() throws {
    func losses(_ seed: UInt64) throws -> [Bool] {
      var bench = try bench({ $0.lostFrame = 20 }, seed: seed)
      return (0..<400).map { _ in bench.receive(Vectors.inner, port: 1).isEmpty }
    }
    #expect(try losses(3) == losses(3))
    #expect(try losses(3) != losses(4))
  }
}
