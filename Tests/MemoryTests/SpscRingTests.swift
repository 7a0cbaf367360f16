import Dispatch
import Testing

@testable import Memory

struct SpscRingTests {
  @Test(
    "Any sequence of pushes and pops does what a plain queue does, wherever the indices begin",
    arguments: [0, 7, UInt32.max - 20])
  func oracle(start: UInt32) {
    var state = UInt64(start) &+ 99
    func draw(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for capacity in [1, 2, 5, 16] {
      var ring = SpscRing<UInt64>(capacity: capacity, start: start)
      var model: [UInt64] = []
      var next: UInt64 = 0
      var table = FlatTable<UInt64>(repeating: 0, count: 40)
      let room = ring.producer.capacity
      #expect(room >= capacity && room < 2 * capacity)
      for _ in 0..<2000 {
        let count = draw(20)
        switch draw(4) {
        case 0:
          for index in 0..<count { table[index] = next + UInt64(index) }
          let went = ring.producer.push(table.span.extracting(0..<count))
          #expect(went == min(count, room - model.count))
          for index in 0..<went { model.append(next + UInt64(index)) }
          next += UInt64(went)
        case 1:
          let fits = model.count < room
          #expect(ring.producer.push(next) == fits)
          if fits { model.append(next) }
          next += fits ? 1 : 0
        case 2:
          var span = table.mutableSpan
          let came = ring.consumer.pop(into: &span)
          #expect(came == min(40, model.count))
          for index in 0..<came { #expect(span[index] == model[index]) }
          model.removeFirst(came)
        default:
          #expect(ring.consumer.isEmpty() == model.isEmpty)
          #expect(ring.consumer.pop() == model.first)
          if !model.isEmpty { model.removeFirst() }
        }
      }
    }
  }

  @Test("Between two threads every value arrives once and in order")
  func threads() async {
    let total: UInt64 = 200_000
    let ring = SpscRing<UInt64>(capacity: 64, start: UInt32.max - 1000)
    let producer = Box(ring.producer)
    var consumer = ring.consumer
    let done = DispatchSemaphore(value: 0)
    DispatchQueue(label: "producer").async {
      var next: UInt64 = 0
      var table = FlatTable<UInt64>(repeating: 0, count: 16)
      while next < total {
        let count = Int(min(16, total - next))
        for index in 0..<count { table[index] = next + UInt64(index) }
        let went = producer.value.push(table.span.extracting(0..<count))
        next += UInt64(went)
        if went == 0 { PollTicks.pause() }
      }
      done.signal()
    }
    var expected: UInt64 = 0
    while expected < total {
      if let value = consumer.pop() {
        if value != expected { Issue.record("\(value) came, and \(expected) was next") }
        expected += 1
      } else {
        PollTicks.pause()
      }
    }
    #expect(consumer.pop() == nil)
    done.wait()
  }

  /// Carries one end to another thread.
  private final class Box: @unchecked Sendable {
    var value: SpscProducer<UInt64>
    init(_ value: consuming SpscProducer<UInt64>) { self.value = value }
  }
}

struct AdaptivePollTests {
  @Test("A thread spins as long as it was told, then sleeps, and says how long it did either")
  func accounts() {
    var poll = AdaptivePoll(.adaptive(spinTicks: 100))
    let first = [poll.shouldSleep(1000), poll.shouldSleep(1099)]
    poll.worked(1100)
    #expect(first == [false, false] && poll.spun == 100 && poll.longestSpin == 100)
    let second = [poll.shouldSleep(2000), poll.shouldSleep(2100)]
    poll.slept(until: 5100)
    #expect(second == [false, true] && poll.spun == 200 && poll.asleep == 3000 && poll.sleeps == 1)
    poll.worked(5110)
    #expect(poll.spun == 210 && poll.longestSpin == 100)
  }

  @Test("A thread that was woken for nothing sleeps after one look, and a look's own time is spinning too")
  func wokenInVain() {
    var poll = AdaptivePoll(.adaptive(spinTicks: 100))
    let first = [poll.shouldSleep(1050, lookedFrom: 1000), poll.shouldSleep(1100, lookedFrom: 1050)]
    #expect(first == [false, true] && poll.spun(until: 1100) == 100)
    poll.slept(until: 3000, spinsAgain: false)
    let second = poll.shouldSleep(3010, lookedFrom: 3000)
    #expect(second && poll.spun == 100 && poll.asleep == 1900)
    poll.slept(until: 4000, spinsAgain: false)
    #expect(poll.spun == 110 && poll.spun(until: 4005) == 115)
    poll.worked(4005)
    // There was work: it spins as long as before.
    let third = [poll.shouldSleep(5050, lookedFrom: 5000), poll.shouldSleep(5100, lookedFrom: 5050)]
    #expect(third == [false, true])
  }

  @Test("A busy thread never sleeps")
  func busy() {
    var poll = AdaptivePoll(.busy)
    for now in stride(from: UInt64(0), to: 1 << 40, by: 1 << 36) {
      let sleeps = poll.shouldSleep(now)
      #expect(!sleeps)
    }
  }

  @Test("Busy polling is warned of when threads outnumber cores, and only then")
  func warning() {
    #expect(PollMode.busy.warning(threads: 3, cores: 2)?.contains("adaptive") == true)
    #expect(PollMode.busy.warning(threads: 2, cores: 2) == nil)
    #expect(PollMode.standard.warning(threads: 9, cores: 2) == nil)
    #expect(PollTicks.allowedCores > 0)
  }
}
