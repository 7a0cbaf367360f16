import CShim
import Memory

// Frames in both directions.
extension DeviceQueue {
  /// Takes frames that the driver sends, as many as there are, the burst has room for and buffers are free for. Each is
  /// copied once, into a buffer of ours; its ring buffers are the driver's again when the call returns.
  ///
  /// - Returns: how many frames were added to `burst`. Their tokens are `buffers`'.
  public mutating func receive(into burst: inout NetBurst, from buffers: inout NetBuffers) -> Int {
    let got = gather(burst.room)
    guard got > 0 else { return 0 }
    for index in 0..<got { unsafe dpu_prefetch(segments[Int(chains[index].first)].host) }
    let before = burst.count
    for index in 0..<got {
      let chain = chains[index]
      guard chain.readable == chain.count else {
        fail(.writableInTransmit)
        break
      }
      let length = chain.readableBytes &- headerLength
      guard length >= 0 else {
        fail(.shorterThanHeader)
        break
      }
      if length == 0 || length > buffers.longest {
        if length == 0 { counters.empty &+= 1 } else { counters.tooLong &+= 1 }
        use(chain, written: 0)
        continue
      }
      guard let token = buffers.take(length: length) else {
        counters.noBuffer &+= 1
        putBack(from: index)
        break
      }
      let buffer = buffers.buffer(token)
      let start = buffers.headroom(token)
      // Header and frame in one copy: the header ends where the frame begins, in the room in front.
      let target = unsafe buffer.unsafeBase + (start &- headerLength)
      if chain.count == 1 {
        unsafe dpu_copy_once(target, segments[Int(chain.first)].host, chain.readableBytes)
      } else {
        unsafe copyOut(chain, skip: 0, count: chain.readableBytes, to: target)
      }
      burst.append(
        NetFrame(
          buffer: buffer, start: start, length: length, token: token,
          header: unsafe NetHeader(at: UnsafeRawPointer(target), length: headerLength)))
      counters.frames &+= 1
      counters.bytes &+= UInt64(truncatingIfNeeded: length)
      use(chain, written: 0)
    }
    publish()
    guard checkMemory() else {
      // Zeros may be among them.
      for index in before..<burst.count { buffers.give(burst[index].token) }
      burst.truncate(before)
      return 0
    }
    return burst.count &- before
  }

  @inline(__always)
  private mutating func use(_ chain: Chain, written: Int) {
    if inflight != nil { inflight?.taken(chain.id, chain.slots) }
    complete(chain, written: written)
  }

  /// Puts frames into the driver's receive buffers, from record `first` of `burst` on, as long as there are buffers. A
  /// frame that the driver's buffers can never hold is dropped and counted (``QueueCounters/tooLong``).
  ///
  /// - Returns: how many records were dealt with; their buffers are the caller's again. The others found no room.
  public mutating func deliver(_ burst: borrowing NetBurst, from first: Int = 0) -> Int {
    var at = first
    var wanted = burst.count &- first
    while at < burst.count {
      guard gather(wanted) > 0 else { break }
      let asked = min(wanted, Self.burst)
      for index in 0..<chainCount { unsafe dpu_prefetch_write(segments[Int(chains[index].first)].host) }
      var chain = 0
      var short = false
      while at < burst.count, chain < chainCount, fault == nil {
        let (records, length) = measure(burst, at)
        let needed = length &+ headerLength
        guard chains[chain].readable == 0 else {
          fail(.readableInReceive)
          break
        }
        if needed <= chains[chain].writableBytes {
          put(burst, at, records, into: chain, count: 1, length: length)
          chain &+= 1
        } else {
          guard let count = merging(needed, from: chain) else {
            short = mayMerge && fault == nil
            if short { break }
            if fault == nil { counters.tooLong &+= 1 }
            at &+= records
            continue
          }
          put(burst, at, records, into: chain, count: count, length: length)
          chain &+= count
        }
        at &+= records
        counters.frames &+= 1
        counters.bytes &+= UInt64(truncatingIfNeeded: length)
      }
      let all = chain == 0 && (chainCount == Self.burst || chainCount == size)
      let gathered = chainCount
      putBack(from: chain)
      guard fault == nil else { break }
      if short, chain == 0 {
        // Not even all that could be taken together hold this frame: more may come, or never enough.
        if all {
          counters.tooLong &+= 1
          at &+= measure(burst, at).records
        } else if gathered < asked || asked == Self.burst {
          break
        }
        wanted = Self.burst
      } else {
        wanted = short ? Self.burst : burst.count &- at
      }
    }
    publish()
    _ = checkMemory()
    return at &- first
  }

  /// How many records the frame at `at` has, and its bytes.
  @inline(__always)
  private func measure(_ burst: borrowing NetBurst, _ at: Int) -> (records: Int, length: Int) {
    var records = 1
    var length = Int(burst[at].length)
    while burst[at &+ records &- 1].continues, at &+ records < burst.count {
      length &+= Int(burst[at &+ records].length)
      records &+= 1
    }
    return (records, length)
  }

  /// How many of the taken chains from `first` on hold `needed` bytes; nil when they do not.
  private mutating func merging(_ needed: Int, from first: Int) -> Int? {
    guard chains[first].writableBytes >= headerLength else {
      fail(.shorterThanHeader)
      return nil
    }
    guard mayMerge else { return nil }
    var room = 0
    for index in first..<chainCount {
      guard chains[index].readable == 0 else {
        fail(.readableInReceive)
        return nil
      }
      room &+= chains[index].writableBytes
      if room >= needed { return index &- first &+ 1 }
    }
    return nil
  }

  /// Writes header and frame into `count` chains, and gives them back.
  @inline(__always)
  private mutating func put(
    _ burst: borrowing NetBurst, _ at: Int, _ records: Int, into first: Int, count: Int, length: Int
  ) {
    var header = burst[at].header
    header.bufferCount = UInt16(truncatingIfNeeded: count)
    let head = segments[Int(chains[first].first)]
    if records == 1, count == 1, Int(head.count) >= length &+ headerLength, dirty == nil {
      // The common case: one buffer, one piece.
      unsafe header.write(to: head.host, length: headerLength)
      let source = unsafe burst[at].buffer.unsafeBase + Int(burst[at].start)
      unsafe dpu_copy_once(head.host + headerLength, source, length)
      use(chains[first], written: length &+ headerLength)
      return
    }
    putPieces(burst, at, records, header, first, count)
  }

  @inline(never)
  private mutating func putPieces(
    _ burst: borrowing NetBurst, _ at: Int, _ records: Int, _ header: NetHeader, _ first: Int, _ count: Int
  ) {
    let room: InlineArray<3, UInt64> = [0, 0, 0]
    var bytes = room
    var chain = first
    var filled = 0
    unsafe withUnsafeMutableBytes(of: &bytes) { place in
      guard let base = place.baseAddress else { return }
      unsafe header.write(to: base, length: headerLength)
      unsafe fill(base, headerLength, &chain, &filled, last: first &+ count)
    }
    for record in at..<at &+ records {
      let source = unsafe burst[record].buffer.unsafeBase + Int(burst[record].start)
      unsafe fill(source, Int(burst[record].length), &chain, &filled, last: first &+ count)
    }
    if chain < first &+ count { use(chains[chain], written: filled) }
  }

  /// Appends bytes to the chains, and gives back each that is full.
  private mutating func fill(
    _ source: UnsafeMutableRawPointer, _ count: Int, _ chain: inout Int, _ filled: inout Int, last: Int
  ) {
    var done = 0
    while done < count, chain < last {
      let part = min(count &- done, chains[chain].writableBytes &- filled)
      unsafe copyIn(chains[chain], skip: filled, from: source + done, count: part)
      done &+= part
      filled &+= part
      if filled == chains[chain].writableBytes {
        use(chains[chain], written: filled)
        chain &+= 1
        filled = 0
      }
    }
  }
}
