import Memory

// Taking chains: from the ring into `chains` and `segments`, everything checked.
extension DeviceQueue {
  /// Takes up to `most` chains; those of the last call are forgotten.
  ///
  /// - Returns: how many. Chains before one that cannot be are taken, and ``fault`` says why no more.
  @inline(__always)
  mutating func gather(_ most: Int) -> Int {
    chainCount = 0
    segmentCount = 0
    guard fault == nil else { return 0 }
    if isPacked { gatherPacked(min(most, Self.burst)) } else { gatherSplit(min(most, Self.burst)) }
    if fault != nil { _ = checkMemory() }
    return chainCount
  }

  /// Puts the chains from number `first` of the last ``gather(_:)`` on back into the ring.
  @inline(__always)
  mutating func putBack(from first: Int) {
    guard first < chainCount else { return }
    next = chains[first].next
    nextWrap = chains[first].nextWrap
    chainCount = first
  }

  private mutating func gatherSplit(_ most: Int) {
    var there = seen &- next
    if Int(there) < most {
      seen = unsafe acquire16(driver + 2)
      there = seen &- next
      guard Int(there) <= size else { return fail(.availableIndexJumped) }
    }
    let mask = size &- 1
    for _ in 0..<min(most, Int(there)) {
      let head = unsafe load16(driver + 4 + 2 &* (Int(next) & mask))
      guard Int(head) < size else { return fail(.headOutOfRange) }
      let place = unsafe table + 16 &* Int(head)
      let address = unsafe load64(place)
      let word = unsafe load64(place + 8)
      let flags = UInt16(truncatingIfNeeded: word >> 32)
      chains[chainCount].id = head
      begin()
      if flags & (DescriptorFlag.next | DescriptorFlag.indirect) == 0 {
        guard add(address, UInt32(truncatingIfNeeded: word), flags) else { return }
      } else if !chainSplit(address, word, flags) {
        return
      }
      end()
      next &+= 1
    }
  }

  private mutating func gatherPacked(_ most: Int) {
    for _ in 0..<most {
      // One load gives length, id and flags; what was written before the flags is there after it.
      let place = unsafe table + 16 &* Int(next)
      let word = unsafe acquire64(place + 8)
      let flags = UInt16(truncatingIfNeeded: word >> 48)
      let isAvailable = (flags & DescriptorFlag.available != 0) == nextWrap
      guard isAvailable, (flags & DescriptorFlag.used != 0) != nextWrap else { return }
      let address = unsafe load64(place)
      begin()
      var id = UInt16(truncatingIfNeeded: word >> 32)
      var slots: UInt16 = 1
      if flags & (DescriptorFlag.next | DescriptorFlag.indirect) == 0 {
        guard add(address, UInt32(truncatingIfNeeded: word), flags) else { return }
      } else {
        guard let (lastID, count) = chainPacked(address, word, flags) else { return }
        id = lastID
        slots = count
      }
      guard Int(id) < size else { return fail(.bufferIdOutOfRange) }
      chains[chainCount].id = id
      chains[chainCount].slots = slots
      end()
      let following = Int(next) &+ Int(slots)
      if following >= size {
        next = UInt16(truncatingIfNeeded: following &- size)
        nextWrap.toggle()
      } else {
        next = UInt16(truncatingIfNeeded: following)
      }
    }
  }

  @inline(__always)
  private mutating func begin() {
    chains[chainCount].first = UInt32(truncatingIfNeeded: segmentCount)
    chains[chainCount].readable = 0
    chains[chainCount].readableBytes = 0
    chains[chainCount].writableBytes = 0
    chains[chainCount].next = next
    chains[chainCount].nextWrap = nextWrap
  }

  @inline(__always)
  private mutating func end() {
    chains[chainCount].count = UInt32(truncatingIfNeeded: segmentCount) &- chains[chainCount].first
    chainCount &+= 1
  }

  /// The rest of a chain of a split ring whose first descriptor was read.
  @inline(never)
  private mutating func chainSplit(_ address: UInt64, _ word: UInt64, _ flags: UInt16) -> Bool {
    if flags & DescriptorFlag.indirect != 0 {
      return indirect(address, UInt32(truncatingIfNeeded: word), flags)
    }
    guard add(address, UInt32(truncatingIfNeeded: word), flags) else { return false }
    var next = UInt16(truncatingIfNeeded: word >> 48)
    for _ in 1..<size {
      guard Int(next) < size else { return refuse(.nextOutOfRange) }
      let place = unsafe table + 16 &* Int(next)
      let address = unsafe load64(place)
      let word = unsafe load64(place + 8)
      let flags = UInt16(truncatingIfNeeded: word >> 32)
      guard flags & DescriptorFlag.indirect == 0 else { return refuse(.indirectInChain) }
      guard add(address, UInt32(truncatingIfNeeded: word), flags) else { return false }
      if flags & DescriptorFlag.next == 0 { return true }
      next = UInt16(truncatingIfNeeded: word >> 48)
    }
    return refuse(.descriptorLoop)
  }

  /// The rest of a chain of a packed ring: its buffer id and its descriptors.
  @inline(never)
  private mutating func chainPacked(_ address: UInt64, _ word: UInt64, _ flags: UInt16) -> (UInt16, UInt16)? {
    let id = UInt16(truncatingIfNeeded: word >> 32)
    if flags & DescriptorFlag.indirect != 0 {
      return indirect(address, UInt32(truncatingIfNeeded: word), flags) ? (id, 1) : nil
    }
    guard add(address, UInt32(truncatingIfNeeded: word), flags) else { return nil }
    var position = Int(next)
    var wrap = nextWrap
    for count in 2..<max(3, size &+ 1) {
      position &+= 1
      if position == size {
        position = 0
        wrap.toggle()
      }
      let place = unsafe table + 16 &* position
      let word = unsafe load64(place + 8)
      let address = unsafe load64(place)
      let flags = UInt16(truncatingIfNeeded: word >> 48)
      guard (flags & DescriptorFlag.available != 0) == wrap, (flags & DescriptorFlag.used != 0) != wrap, count <= size
      else {
        fail(.chainNotAvailable)
        return nil
      }
      guard flags & DescriptorFlag.indirect == 0 else {
        fail(.indirectInChain)
        return nil
      }
      guard add(address, UInt32(truncatingIfNeeded: word), flags) else { return nil }
      if flags & DescriptorFlag.next == 0 {
        return (UInt16(truncatingIfNeeded: word >> 32), UInt16(truncatingIfNeeded: count))
      }
    }
    fail(.descriptorLoop)
    return nil
  }

  /// The table of an indirect descriptor. In a split ring its entries are chained by `next`; in a packed ring they
  /// stand one after the other, and their own NEXT means nothing.
  private mutating func indirect(_ address: UInt64, _ bytes: UInt32, _ flags: UInt16) -> Bool {
    guard mayIndirect else { return refuse(.indirectNotNegotiated) }
    // WRITE means nothing here (virtio 1.2, 2.7.5.3.2).
    guard flags & DescriptorFlag.next == 0 else { return refuse(.indirectInChain) }
    guard bytes > 0, bytes & 15 == 0, Int(bytes >> 4) <= size else { return refuse(.indirectLength) }
    let entries = Int(bytes >> 4)
    guard let place = unsafe locate(address, bytes), UInt(bitPattern: place) & 7 == 0 else {
      return refuse(.outsideMemory)
    }
    var index = 0
    for _ in 0..<entries {
      let address = unsafe load64(place + 16 &* index)
      let word = unsafe load64(place + (16 &* index &+ 8))
      let flags = UInt16(truncatingIfNeeded: isPacked ? word >> 48 : word >> 32)
      guard flags & DescriptorFlag.indirect == 0 else { return refuse(.indirectNested) }
      guard add(address, UInt32(truncatingIfNeeded: word), flags) else { return false }
      if isPacked {
        index &+= 1
        if index == entries { return true }
      } else {
        if flags & DescriptorFlag.next == 0 { return true }
        index = Int(UInt16(truncatingIfNeeded: word >> 48))
        guard index < entries else { return refuse(.nextOutOfRange) }
      }
    }
    return refuse(.descriptorLoop)
  }

  /// Adds a descriptor's bytes to the chain.
  @inline(__always)
  private mutating func add(_ address: UInt64, _ count: UInt32, _ flags: UInt16) -> Bool {
    guard count > 0 else { return refuse(.emptyDescriptor) }
    let before = segmentCount
    if let host = unsafe locate(address, count) {
      guard segmentCount < segments.count else { return refuse(.tooManySegments) }
      segments[segmentCount] = unsafe Segment(host: host, count: count, guest: address)
      segmentCount &+= 1
    } else if !addPieces(address, count) {
      return false
    }
    if flags & DescriptorFlag.write != 0 {
      chains[chainCount].writableBytes &+= Int(count)
    } else {
      guard chains[chainCount].writableBytes == 0 else { return refuse(.readableAfterWritable) }
      chains[chainCount].readableBytes &+= Int(count)
      chains[chainCount].readable &+= UInt32(truncatingIfNeeded: segmentCount &- before)
    }
    return true
  }

  /// The bytes at `address`, all in one region, or nil.
  @inline(__always)
  private mutating func locate(_ address: UInt64, _ count: UInt32) -> UnsafeMutableRawPointer? {
    if hit < map.places.count {
      let place = map.places[hit]
      let offset = address &- place.guest
      if offset < place.count, UInt64(count) <= place.count &- offset {
        return unsafe place.host + Int(truncatingIfNeeded: offset)
      }
    }
    return unsafe search(address, count)
  }

  @inline(never)
  private mutating func search(_ address: UInt64, _ count: UInt32) -> UnsafeMutableRawPointer? {
    for index in 0..<map.places.count {
      let place = map.places[index]
      let offset = address &- place.guest
      if offset < place.count, UInt64(count) <= place.count &- offset {
        hit = index
        return unsafe place.host + Int(truncatingIfNeeded: offset)
      }
    }
    return nil
  }

  /// A descriptor that lies in several regions which follow each other in the driver's addresses.
  @inline(never)
  private mutating func addPieces(_ address: UInt64, _ count: UInt32) -> Bool {
    var address = address
    var left = UInt64(count)
    while left > 0 {
      var found: UnsafeMutableRawPointer?
      var here: UInt64 = 0
      for index in 0..<map.places.count {
        let place = map.places[index]
        let offset = address &- place.guest
        guard offset < place.count else { continue }
        here = min(left, place.count &- offset)
        unsafe found = place.host + Int(truncatingIfNeeded: offset)
        break
      }
      guard let host = unsafe found else { return refuse(.outsideMemory) }
      guard segmentCount < segments.count else { return refuse(.tooManySegments) }
      segments[segmentCount] = unsafe Segment(host: host, count: UInt32(truncatingIfNeeded: here), guest: address)
      segmentCount &+= 1
      left &-= here
      let (following, overflow) = address.addingReportingOverflow(here)
      guard !overflow || left == 0 else { return refuse(.outsideMemory) }
      address = following
    }
    return true
  }

  private mutating func refuse(_ reason: RingFault) -> Bool {
    fail(reason)
    return false
  }
}
